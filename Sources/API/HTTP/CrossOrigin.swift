import HTTPTypes
import Hummingbird

/// Cross-origin access (Fetch, CORS): everyone may call, nobody's cookies are involved.
enum CrossOrigin {
    private static let exposed = [
        "ETag", "Last-Modified", "Link", "RateLimit-Limit", "RateLimit-Remaining", "Retry-After", "X-Next-Page-URL", "X-Page",
        "X-Page-Count", "X-Page-Size", "X-Request-Id", "X-Result-Count",
    ].joined(separator: ", ")
    private static let accepted =
        "Accept, Accept-Language, Api-Key, Content-Type, Idempotency-Key, If-Modified-Since, If-None-Match, X-API-Key, X-Request-Id"

    static func open(_ headers: inout HTTPFields) {
        headers[.accessControlAllowOrigin] = "*"
        headers[.accessControlExposeHeaders] = exposed
    }

    /// The answer to OPTIONS, preflight or not.
    ///
    /// - Parameter methods: what the path takes, as in `Allow`.
    static func options(_ methods: String) -> Response {
        var headers = HTTPFields()
        headers[.allow] = methods
        headers[.accessControlAllowMethods] = methods
        headers[.accessControlAllowHeaders] = accepted
        headers[.accessControlMaxAge] = "86400"
        return Response(status: .noContent, headers: headers)
    }
}
