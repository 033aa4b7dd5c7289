import HTTPTypes
import Hummingbird
import Open311

/// The message contract as vendors download it: at the very addresses that events name as their `dataschema`, and the AsyncAPI
/// document that leads to them. Public, without a key, from the program's own binary.
enum ContractFiles {
    static func isContract(_ path: String) -> Bool { path == "/asyncapi.yaml" || path.hasPrefix("/schemas/") }

    static func response(to request: Request) throws(GeoReportError) -> Response {
        if request.method == .options { return CrossOrigin.options(GeoReportRoute.discovery.allowed) }
        guard request.method == .get || request.method == .head else {
            var refusal = GeoReportError(405, "\(request.method.rawValue) is not allowed here: use \(GeoReportRoute.discovery.allowed).")
            refusal.allow = GeoReportRoute.discovery.allowed
            throw refusal
        }
        guard let answer = prepared[request.uri.path] else {
            throw GeoReportError(404, "No such schema. Addresses are /schemas/{type}/{version}.json; /asyncapi.yaml names every one.")
        }
        var response = answer.response(to: request)
        response.headers[.xContentTypeOptions] = "nosniff"
        return response
    }

    /// By path.
    static let files: [String: [UInt8]] = [
        "/asyncapi.yaml": PackageResources.asyncapi_yaml,
        "/schemas/bus.ping/1.0.json": PackageResources.bus_ping_1_0_json,
        "/schemas/reference_data.refresh_requested/1.0.json": PackageResources.reference_data_refresh_requested_1_0_json,
        "/schemas/service_request.created/1.0.json": PackageResources.service_request_created_1_0_json,
        "/schemas/service_request.created/1.1.json": PackageResources.service_request_created_1_1_json,
        "/schemas/service_request.created/1.2.json": PackageResources.service_request_created_1_2_json,
        "/schemas/service_request.created/2.0.json": PackageResources.service_request_created_2_0_json,
        "/schemas/service_request.created/2.1.json": PackageResources.service_request_created_2_1_json,
        "/schemas/service_request.created/2.2.json": PackageResources.service_request_created_2_2_json,
        "/schemas/service_request.erased/1.0.json": PackageResources.service_request_erased_1_0_json,
        "/schemas/service_request.media_added/1.0.json": PackageResources.service_request_media_added_1_0_json,
        "/schemas/service_request.media_added/1.1.json": PackageResources.service_request_media_added_1_1_json,
        "/schemas/service_request.moderated/1.0.json": PackageResources.service_request_moderated_1_0_json,
        "/schemas/service_request.moderated/1.1.json": PackageResources.service_request_moderated_1_1_json,
        "/schemas/service_request.moderated/2.0.json": PackageResources.service_request_moderated_2_0_json,
        "/schemas/service_request.moderated/2.1.json": PackageResources.service_request_moderated_2_1_json,
        "/schemas/service_request.updated/1.0.json": PackageResources.service_request_updated_1_0_json,
        "/schemas/service_request.updated/1.1.json": PackageResources.service_request_updated_1_1_json,
        "/schemas/service_request.updated/2.0.json": PackageResources.service_request_updated_2_0_json,
        "/schemas/service_request.updated/2.1.json": PackageResources.service_request_updated_2_1_json,
        "/schemas/status_update/1.0.json": PackageResources.status_update_1_0_json,
        "/schemas/status_update/1.1.json": PackageResources.status_update_1_1_json,
        "/schemas/status_update/1.2.json": PackageResources.status_update_1_2_json,
        "/schemas/status_update.accepted/1.0.json": PackageResources.status_update_accepted_1_0_json,
        "/schemas/status_update.rejected/1.0.json": PackageResources.status_update_rejected_1_0_json,
    ]

    private static let prepared: [String: PreparedAnswer] = Dictionary(
        uniqueKeysWithValues: files.map { path, bytes in
            // A published schema never changes: a day is what a repaired description may take to arrive.
            let type = path.hasSuffix(".yaml") ? "application/yaml; charset=utf-8" : "application/schema+json; charset=utf-8"
            return (
                path,
                PreparedAnswer(bytes, contentType: type, lastModified: nil, language: nil, cacheControl: "public, max-age=86400")
            )
        })
}
