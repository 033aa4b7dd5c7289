import Hummingbird
import Open311
import Storage

/// FixMyStreet's update extension: what the city says of requests, for sites that ask every few minutes; and what citizens add
/// there, for the city's CRM.
extension GeoReportGateway {
    func updates(_ query: FormFields, _ tenant: Tenant, _ language: Language, _ format: ResponseFormat) async throws(GeoReportError)
        -> Response
    {
        let window: ClosedRange<Timestamp>
        do {
            window = try SearchQuery.updateWindow(query, now: .now, timeZone: tenant.timeZone)
        } catch {
            throw GeoReportError(error, language: language)
        }
        let found = try await read(language) { () async throws(StorageError) in
            try await citizenUpdates.published(from: window.lowerBound, to: window.upperBound, of: tenant.id)
        }
        return Self.response(UpdateDocuments.list(found, format), format, cacheControl: "no-cache")
    }

    /// POST servicerequestupdates: jurisdiction, then key, then every fault at once, then the request.
    func takeUpdate(
        _ request: Request, _ query: FormFields, _ target: GeoReportTarget, _ format: ResponseFormat, _ caller: ClientAddress?,
        _ trail: RequestTrail
    ) async throws(GeoReportError) -> Response {
        let posting = try await posting(request, query, target, caller, trail)
        // Photos belong to requests.
        await discard(posting.photos)
        let language = posting.language
        let update: CitizenUpdate
        do {
            update = try CitizenUpdateForm.update(posting.fields)
        } catch {
            throw GeoReportError(error, language: language)
        }
        guard let address = RequestAddress(serviceRequestID: posting.fields["service_request_id"] ?? "") else {
            throw Self.unknownRequest(language)
        }
        let found = try await read(language) { () async throws(StorageError) in
            try await reader.number(of: address, tenant: posting.tenant.id)
        }
        guard let id = found else { throw Self.unknownRequest(language) }
        trail.request = id
        let number: Int64
        do {
            number = try await citizenUpdates.record(update, to: id, of: posting.tenant, key: posting.key.publicID)
        } catch {
            switch error {
            case .unknownRequest: throw Self.unknownRequest(language)
            case .storage(let error) where error.kind == .conflict:
                throw GeoReportError(
                    409, language, french: "update_id a déjà servi pour un autre contenu : envoyez-en un nouveau.",
                    english: "update_id was used before with another content: send a new one.")
            case .storage(let error): throw GeoReportError(error, language)
            }
        }
        var response = Self.response(
            UpdateDocuments.taken(number, accountID: update.author?.accountID, format), format, cacheControl: "no-store")
        posting.verdict?.tell(&response)
        return response
    }

    static func unknownRequest(_ language: Language) -> GeoReportError {
        GeoReportError(
            404, language, french: "service_request_id inconnu : aucune demande ne porte ce numéro.",
            english: "service_request_id is unknown: no request has this number.")
    }
}
