import HTTPTypes
import Hummingbird

/// The description of status-ingest, from the program's own binary; public, without a token.
extension StatusIngestService {
    static let openAPIDocument = PackageResources.status_ingest_json

    private static let prepared = PreparedAnswer(
        openAPIDocument, contentType: "application/json; charset=utf-8", lastModified: nil, language: nil)

    static func openAPI(_ request: Request) throws(Problem) -> Response {
        guard request.method == .get || request.method == .head else { throw notAllowed("GET") }
        return prepared.response(to: request)
    }
}
