import Hummingbird
import Open311
import Storage

/// Service requests, as citizens read them.
extension GeoReportGateway {
    func find(_ text: String, _ tenant: Tenant, _ language: Language, _ format: ResponseFormat) async throws(GeoReportError) -> Response {
        let ids = text.split(separator: ",").prefix(ServiceRequestFilter.maximumCount).compactMap { ServiceRequestID(parsing: String($0)) }
        let found = ids.isEmpty ? [] : try await read(language) { () async throws(StorageError) in try await reader.find(ids, of: tenant.id) }
        guard !found.isEmpty else {
            throw GeoReportError(
                404, language, french: "service_request_id inconnu : aucune demande ne porte ce numéro.",
                english: "service_request_id is unknown: no request has this number.")
        }
        return Self.response(GeoReportDocuments.requests(found, format), format, cacheControl: "no-cache")
    }

    func search(
        _ query: FormFields, _ tenant: Tenant, _ language: Language, _ format: ResponseFormat
    ) async throws(GeoReportError) -> Response {
        let filter: ServiceRequestFilter
        do {
            filter = try SearchQuery.filter(query, now: .now)
        } catch {
            throw GeoReportError(error, language: language)
        }
        let found = try await read(language) { () async throws(StorageError) in try await reader.search(filter, of: tenant.id) }
        return Self.response(GeoReportDocuments.requests(found, format), format, cacheControl: "no-cache")
    }

    private func read<Value>(
        _ language: Language, _ work: () async throws(StorageError) -> Value
    ) async throws(GeoReportError) -> Value {
        do { return try await work() } catch { throw GeoReportError(error, language) }
    }
}
