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
    let keyUses: KeyUseRecorder
    let configuration: GatewayConfiguration

    public init(
        directory: TenantDirectory, recorder: SubmissionRecorder, reader: ServiceRequestReader, keyUses: KeyUseRecorder,
        configuration: GatewayConfiguration
    ) {
        self.directory = directory
        self.recorder = recorder
        self.reader = reader
        self.keyUses = keyUses
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
            query = try request.uri.query.map { (text) throws(FormError) in try FormReader.fields(Array(text.utf8)) } ?? FormFields()
        } catch {
            throw GeoReportError(error, .english)
        }
        if isPost { return try await submit(request, query, target, format) }
        if target.resource == .discovery { return discovery(target, request, format) }
        let tenant = try await tenant(of: target, jurisdiction: query["jurisdiction_id"])
        let languages = Languages(tenant: tenant, locale: query["locale"], accept: request.headers[.acceptLanguage])
        switch target.resource {
        case .services: return services(tenant, languages, request, format)
        case .service(let code): return try definition(code, tenant, languages, request, format)
        case .requests: return try await search(query, tenant, languages.wanted, format)
        case .request(let id): return try await find(id, tenant, languages.wanted, format)
        case .discovery: return discovery(target, request, format)
        }
    }
}
