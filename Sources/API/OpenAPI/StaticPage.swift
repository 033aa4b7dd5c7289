import HTTPTypes
import Hummingbird
import Open311

/// What the gateway serves to developers from its own binary: the description of the API, and a page to try it on.
enum StaticPage: String, CaseIterable {
    case openAPI = "/openapi.json"
    case tryIt = "/try"
    case script = "/try.js"
    case style = "/try.css"

    init?(path: String) { self.init(rawValue: path) }

    private static let prepared: [StaticPage: PreparedAnswer] = Dictionary(
        uniqueKeysWithValues: allCases.map { page in
            // They change with the program only; a restart with the same program changes neither bytes nor tag.
            (page, PreparedAnswer(page.bytes, contentType: page.contentType, lastModified: nil, language: nil))
        }
    )

    func response(to request: Request) throws(GeoReportError) -> Response {
        if request.method == .options { return CrossOrigin.options(GeoReportRoute.discovery.allowed) }
        guard request.method == .get || request.method == .head else {
            var refusal = GeoReportError(405, "\(request.method.rawValue) is not allowed here: use \(GeoReportRoute.discovery.allowed).")
            refusal.allow = GeoReportRoute.discovery.allowed
            throw refusal
        }
        var response = Self.prepared[self]?.response(to: request) ?? Response(status: .notFound)
        response.headers[.xContentTypeOptions] = "nosniff"
        if self == .tryIt {
            response.headers[.contentSecurityPolicy] =
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                + "frame-ancestors 'none'"
            response.headers[Self.referrerPolicy] = "no-referrer"
        }
        return response
    }

    private static let referrerPolicy = HTTPField.Name("Referrer-Policy") ?? .from

    private var contentType: String {
        switch self {
        case .openAPI: "application/json; charset=utf-8"
        case .tryIt: "text/html; charset=utf-8"
        case .script: "text/javascript; charset=utf-8"
        case .style: "text/css; charset=utf-8"
        }
    }

    private var bytes: [UInt8] {
        switch self {
        case .openAPI: PackageResources.openapi_json
        case .tryIt: PackageResources.try_html
        case .script: PackageResources.try_js
        case .style: PackageResources.try_css
        }
    }
}
