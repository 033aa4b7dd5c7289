import HTTPTypes
import Hummingbird
import Logging
import Metrics
import NIOCore
import Open311
import Storage

/// What the gateway is told.
public struct GatewayConfiguration: Sendable {
    /// The GeoReport base as citizens see it, without a slash at the end: `https://bus.example/open311/v2`.
    public var publicURL: String
    /// Of a POST, in bytes.
    public var maximumBodyBytes: Int

    public init(publicURL: String, maximumBodyBytes: Int = 131_072) {
        self.publicURL = publicURL
        self.maximumBodyBytes = maximumBodyBytes
    }
}

/// GeoReport v2 for citizens' apps: one responder that knows every path, so that whatever goes wrong is answered in GeoReport's
/// own form and in the format that the path asks for.
public struct GeoReportGateway: HTTPResponder {
    public typealias Context = BasicRequestContext

    let directory: TenantDirectory
    let recorder: SubmissionRecorder
    let reader: ServiceRequestReader
    let configuration: GatewayConfiguration

    public init(
        directory: TenantDirectory, recorder: SubmissionRecorder, reader: ServiceRequestReader, configuration: GatewayConfiguration
    ) {
        self.directory = directory
        self.recorder = recorder
        self.reader = reader
        self.configuration = configuration
    }

    public func respond(to request: Request, context: Context) async throws -> Response {
        let start = ContinuousClock.now
        let target = GeoReportTarget(path: request.uri.path)
        let format = target?.format ?? ResponseFormat.preferred(accept: request.headers[.accept])
        var response: Response
        do {
            response = try await answer(request, target, format)
        } catch {
            response = Self.response(to: error, format)
        }
        response.headers[.accessControlAllowOrigin] = "*"
        response.headers[HTTPMetrics.requestID] = HTTPMetrics.requestID(of: request)
        if request.method == .head {
            response.headers[.contentLength] = response.body.contentLength.map(String.init)
            response.body = ResponseBody()
        }
        HTTPMetrics.record(target?.resource.routeName ?? "unknown", request.method, Int(response.status.code), since: start)
        return response
    }

    private func answer(_ request: Request, _ target: GeoReportTarget?, _ format: ResponseFormat) async throws(GeoReportError) -> Response {
        if request.method == .options { return Self.preflight }
        guard let target else { throw GeoReportError(404, "No such resource: \(String(request.uri.path.prefix(200))).") }
        let isPost = request.method == .post && target.resource == .requests
        guard isPost || request.method == .get || request.method == .head else {
            var refusal = GeoReportError(405, "\(request.method.rawValue) is not allowed here.")
            refusal.allow = target.resource == .requests ? "GET, HEAD, POST, OPTIONS" : "GET, HEAD, OPTIONS"
            throw refusal
        }
        let query: FormFields
        do {
            query = try FormReader.fields(Array((request.uri.query ?? "").utf8))
        } catch {
            throw GeoReportError(error, .english)
        }
        if isPost { return try await submit(request, query, target, format) }
        if target.resource == .discovery { return discovery(target, request, format) }
        let tenant = try await tenant(named: target.tenant, jurisdiction: query["jurisdiction_id"])
        let languages = Languages(tenant: tenant, locale: query["locale"], accept: request.headers[.acceptLanguage])
        switch target.resource {
        case .services:
            let catalogue = directory.current.catalogue(of: tenant.id)
            let bytes = GeoReportDocuments.services(catalogue, language: languages.wanted, fallback: languages.fallback, format)
            return Self.cacheable(bytes, format, request)
        case .service(let code):
            let service = try service(code, of: tenant, languages.wanted)
            let bytes = GeoReportDocuments.definition(service, language: languages.wanted, fallback: languages.fallback, format)
            return Self.cacheable(bytes, format, request)
        case .requests: return try await search(query, tenant, languages.wanted, format)
        case .request(let id): return try await find(id, tenant, languages.wanted, format)
        case .discovery: return discovery(target, request, format)
        }
    }

    // MARK: Tenants and services

    /// The tenant of a path's prefix or a jurisdiction; a contradiction is an error, never a guess.
    func tenant(named name: String?, jurisdiction: String?) async throws(GeoReportError) -> Tenant {
        if let name {
            let key = try? TenantKey(validating: name)
            guard let tenant = await lookUp({ snapshot in key.flatMap { snapshot.tenant($0) } }) else {
                throw GeoReportError(404, "Unknown tenant in the path: check the endpoint's URL.")
            }
            if let jurisdiction, !tenant.jurisdictions.contains(where: { $0.rawValue == jurisdiction.lowercased() }) {
                throw GeoReportError(404, "jurisdiction_id is not one of this endpoint: leave it out or correct it.")
            }
            return tenant
        }
        guard let jurisdiction else {
            let tenants = directory.current.tenants
            if tenants.count == 1, tenants[0].jurisdictions.count == 1 { return tenants[0] }
            throw GeoReportError(400, "jurisdiction_id is required: this endpoint serves several jurisdictions.")
        }
        let id = try? JurisdictionID(validating: jurisdiction)
        guard let tenant = await lookUp({ snapshot in id.flatMap { snapshot.tenant($0) } }) else {
            throw GeoReportError(404, "jurisdiction_id is unknown here: see the discovery document.")
        }
        return tenant
    }

    /// What is not known may just have been made: one fresh look before saying no.
    func lookUp<Value>(_ find: (DirectorySnapshot) -> Value?) async -> Value? {
        if let value = find(directory.current) { return value }
        return find(await directory.refreshAfterMiss())
    }

    func service(_ code: String, of tenant: Tenant, _ language: Language) throws(GeoReportError) -> Service {
        guard let valid = try? ServiceCode(validating: code), let service = directory.current.catalogue(of: tenant.id).service(valid) else {
            let shown = String(code.prefix(64))
            throw GeoReportError(
                404, language, french: "service_code « \(shown) » est inconnu : voyez la liste des services.",
                english: "service_code “\(shown)” is unknown: see the list of services.")
        }
        return service
    }

    // MARK: Reading

    private func find(_ text: String, _ tenant: Tenant, _ language: Language, _ format: ResponseFormat) async throws(GeoReportError) -> Response {
        let ids = text.split(separator: ",").prefix(ServiceRequestFilter.maximumCount).compactMap { ServiceRequestID(parsing: String($0)) }
        let found = ids.isEmpty ? [] : try await read(language) { () async throws(StorageError) in try await reader.find(ids, of: tenant.id) }
        guard !found.isEmpty else {
            throw GeoReportError(
                404, language, french: "service_request_id inconnu : aucune demande ne porte ce numéro.",
                english: "service_request_id is unknown: no request has this number.")
        }
        return Self.response(GeoReportDocuments.requests(found, format), format, cacheControl: "no-cache")
    }

    private func search(
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

    private func discovery(_ target: GeoReportTarget, _ request: Request, _ format: ResponseFormat) -> Response {
        let snapshot = directory.current
        let wanted = target.tenant.flatMap { try? TenantKey(validating: $0) }.flatMap { snapshot.tenant($0) }
        let tenants = wanted.map { [$0] } ?? snapshot.tenants
        let root = configuration.publicURL.hasSuffix("/open311/v2") ? String(configuration.publicURL.dropLast(11)) : configuration.publicURL
        let endpoints = tenants.map { tenant in
            GeoReportDocuments.Endpoint(
                url: "\(root)/\(tenant.key)/open311/v2", changeset: snapshot.catalogue(of: tenant.id).changedAt, isProduction: true)
        }
        let bytes = GeoReportDocuments.discovery(
            contact: tenants.first?.contact ?? root, keyService: tenants.first?.keyService ?? root, endpoints: endpoints, format)
        return Self.cacheable(bytes, format, request)
    }
}
