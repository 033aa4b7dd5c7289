import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

/// A GET of service requests: who asks for what, and how to answer.
struct Reading {
    let request: Request
    let query: FormFields
    let tenant: Tenant
    let languages: Languages
    let format: ResponseFormat
    let key: AccessKey?

    /// Personal data go to a key of this tenant with both rights, to nobody else.
    var showsReporters: Bool {
        key.map { $0.tenant == tenant.id.production && $0.scopes.isSuperset(of: [.read, .personalData]) } ?? false
    }
}

/// Service requests, as citizens read them.
extension GeoReportGateway {
    func find(_ text: String, _ reading: Reading) async throws(GeoReportError) -> Response {
        let (tenant, language) = (reading.tenant, reading.languages.wanted)
        let ids = text.split(separator: ",").prefix(ServiceRequestFilter.maximumCount).compactMap {
            RequestAddress(serviceRequestID: String($0))
        }
        let found =
            ids.isEmpty ? [] : try await read(language) { () async throws(StorageError) in try await reader.find(ids, of: tenant.id) }
        guard let newest = found.map(\.updatedAt).max() else {
            throw Self.unknownRequest(language)
        }
        // Of one request nothing changes without its moment, but for a photo whose address ends; a list of several may lose one.
        let isExact = found.count == 1 && !found[0].hasStoredMedia && reading.query["extensions"] == nil
        return try await answer(found, reading, modified: newest, isExact: isExact)
    }

    func search(_ reading: Reading) async throws(GeoReportError) -> Response {
        let language = reading.languages.wanted
        let filter: ServiceRequestFilter
        do {
            filter = try SearchQuery.filter(reading.query, now: .now, timeZone: reading.tenant.timeZone)
        } catch {
            throw GeoReportError(error, language: language)
        }
        let page = try await read(language) { () async throws(StorageError) in try await reader.search(filter, of: reading.tenant.id) }
        var response = try await answer(page.requests, reading, modified: page.requests.map(\.updatedAt).max(), isExact: false)
        PageHeaders(filter: filter, page: page, reading: reading, root: configuration.rootURL).write(into: &response)
        return response
    }

    /// The id behind a token; a known token without one yet is 200 all the same, because clients then ask again.
    func resolve(
        _ token: String, _ tenant: Tenant, _ language: Language, _ format: ResponseFormat
    ) async throws(GeoReportError) -> Response {
        let isPlausible = token.utf8.count == 32
        let state =
            isPlausible
            ? try await read(language) { () async throws(StorageError) in try await reader.request(token: token, of: tenant.id) } : nil
        switch state {
        case nil:
            throw GeoReportError(
                404, language, french: "token inconnu : aucune demande ne l’a reçu en réponse.",
                english: "token is unknown: no request was answered with it.")
        case .pending: return Self.response(GeoReportDocuments.token(token, nil, format), format, cacheControl: "no-store")
        case .resolved(let id): return Self.response(GeoReportDocuments.token(token, id, format), format, cacheControl: "no-store")
        }
    }

    private func answer(
        _ found: [ServiceRequest], _ reading: Reading, modified: Timestamp?, isExact: Bool
    ) async throws(GeoReportError) -> Response {
        let details = try await details(of: found, reading)
        let root = configuration.rootURL
        let bytes = RequestDocuments.bytes(found.map { $0.hasStoredMedia ? $0.withMedia(below: root) : $0 }, details, reading.format)
        let isPrivate = details?.reporters.isEmpty == false
        var response = Self.response(bytes, reading.format, cacheControl: isPrivate ? "private, no-store" : "no-cache")
        let tag = "\"\(Conditional.digest(bytes))\""
        response.headers[.eTag] = tag
        response.headers[.vary] = details == nil ? "Accept-Encoding, Origin" : "Accept-Encoding, Accept-Language, Origin"
        if let modified { response.headers[.lastModified] = HTTPDate.text(modified) }
        if Conditional.isKnown(to: reading.request, tags: [tag], lastModified: isExact ? modified : nil) {
            response.status = .notModified
            response.body = ResponseBody()
            response.headers[.contentType] = nil
            response.headers[.contentLength] = nil
        }
        return response
    }

    /// What `extensions` asks for; nil, and no look at the database, when it asks for nothing.
    private func details(of found: [ServiceRequest], _ reading: Reading) async throws(GeoReportError) -> RequestDocuments.Details? {
        guard let extensions = Extensions(reading.query) else { return nil }
        let ids = found.map(\.id)
        let (tenant, language) = (reading.tenant, reading.languages.wanted)
        let needsHistory = !ids.isEmpty && !extensions.isDisjoint(with: [.history, .log])
        let needsReporters = !ids.isEmpty && extensions.contains(.requester) && reading.showsReporters
        let catalogue = directory.current.catalogue(of: tenant.id)
        return RequestDocuments.Details(
            extensions: extensions,
            history: needsHistory
                ? try await read(language) { () async throws(StorageError) in try await reader.history(of: ids, of: tenant.id) } : [:],
            reporters: needsReporters
                ? try await read(language) { () async throws(StorageError) in try await reader.reporters(of: ids, of: tenant.id) } : [:],
            catalogue: catalogue,
            languages: reading.languages.order(in: catalogue))
    }

    func read<Value>(_ language: Language, _ work: () async throws(StorageError) -> Value) async throws(GeoReportError) -> Value {
        do { return try await work() } catch { throw GeoReportError(error, language) }
    }
}
