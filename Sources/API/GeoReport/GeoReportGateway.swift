import HTTPTypes
import Hummingbird
import Logging
import Metrics
import NIOConcurrencyHelpers
import NIOCore
import Open311
import Storage

/// What the gateway is told.
public struct GatewayConfiguration: Sendable {
    /// The GeoReport base as citizens see it, without a slash at the end: `https://bus.example/open311/v2`.
    public var publicURL: String
    /// Of a POST, in bytes.
    public var maximumBodyBytes: Int
    /// Whose `X-Forwarded-For` is believed.
    public var trustedProxies: TrustedProxies
    /// Of an address that presents no valid key. Addresses of this machine itself have none.
    public var addressLimit: RateLimit
    /// Of a valid key.
    public var keyLimit: RateLimit
    /// The installation's discovery `contact`, for people; nil to leave it to its only tenant.
    public var contact: String?
    /// The installation's discovery `key_service`, likewise.
    public var keyService: String?
    public var photoLimits: PhotoLimits
    /// Where to die; for tests.
    public var failPoint: MediaFailPoint?

    public init(
        publicURL: String, maximumBodyBytes: Int = 131_072, trustedProxies: TrustedProxies = .none,
        addressLimit: RateLimit = RateLimit(perMinute: 1_200), keyLimit: RateLimit = RateLimit(perMinute: 30_000), contact: String? = nil,
        keyService: String? = nil, photoLimits: PhotoLimits = PhotoLimits(), failPoint: MediaFailPoint? = nil
    ) {
        self.publicURL = publicURL
        self.maximumBodyBytes = maximumBodyBytes
        self.trustedProxies = trustedProxies
        self.addressLimit = addressLimit
        self.keyLimit = keyLimit
        self.contact = contact
        self.keyService = keyService
        self.photoLimits = photoLimits
        self.failPoint = failPoint
    }

    /// Where the tenants' own bases begin.
    var rootURL: String { ServiceRequestEvent.Origin.root(of: publicURL) }
}

/// GeoReport v2 for citizens' apps: one responder that knows every path, so that whatever goes wrong is answered in GeoReport's
/// own form and in the format that the path asks for.
public struct GeoReportGateway: HTTPResponder {
    public typealias Context = GatewayContext

    let directory: TenantDirectory
    let recorder: SubmissionRecorder
    let reader: ServiceRequestReader
    let keyUses: KeyUseRecorder
    /// Nil only in tests of something else.
    let audit: AuditRecorder?
    let citizenUpdates: CitizenUpdateStore
    let places: PlaceStore
    let configuration: GatewayConfiguration
    /// Nil where an installation takes no photos.
    let photos: PhotoAnswers?
    /// Nil where alerts have no links.
    let alerts: AlertPages?
    /// Nil where an installation signs no links.
    let links: LinkAnswers?
    let limits: CallerLimits
    let catalogueAnswers = CatalogueAnswers()
    let shortcuts = CatalogueShortcuts()
    let discoveryAnswers: DiscoveryAnswers
    let logger: Logger

    public init(
        directory: TenantDirectory, recorder: SubmissionRecorder, reader: ServiceRequestReader, keyUses: KeyUseRecorder,
        citizenUpdates: CitizenUpdateStore, places: PlaceStore, photos: (media: any MediaStore, reader: PhotoReader)?,
        alerts: AlertLinkStore? = nil,
        links: (secret: LinkSecret, people: PersonStore, decisions: StatusUpdateStore, origin: ServiceRequestEvent.Origin)? = nil,
        configuration: GatewayConfiguration, logger: Logger, audit: AuditRecorder? = nil
    ) {
        self.audit = audit
        self.directory = directory
        self.recorder = recorder
        self.reader = reader
        self.keyUses = keyUses
        self.citizenUpdates = citizenUpdates
        self.places = places
        self.configuration = configuration
        self.photos = photos.map { PhotoAnswers(media: $0.media, reader: $0.reader) }
        self.alerts = alerts.map { AlertPages(links: $0, logger: logger) }
        self.links = links.map {
            LinkAnswers(secret: $0.secret, people: $0.people, decisions: $0.decisions, origin: $0.origin, logger: logger)
        }
        self.logger = logger
        limits = CallerLimits(configuration)
        discoveryAnswers = DiscoveryAnswers(configuration)
    }

    public func respond(to request: Request, context: Context) async throws -> Response {
        let start = ContinuousClock.now
        let began = Timestamp.now
        if let response = shortcut(request, context) {
            HTTPMetrics.record(response.route, request.method, Int(response.response.status.code), since: start)
            await audit?.record(
                AuditEntry(
                    at: began, tenant: response.tenant, direction: .inHTTP, operation: "GET " + response.route,
                    objects: response.tenant?.isTest == true ? "test" : nil, result: String(response.response.status.code),
                    duration: start.duration(to: .now), bytesOut: response.response.body.contentLength ?? 0,
                    correlationID: response.requestID,
                    traceID: request.headers[HTTPAudit.traceparent].flatMap { TraceContext(parsing: $0)?.traceID }), mayMerge: true)
            return response.response
        }
        if let alerts, AlertPages.isAlert(request.uri.path) {
            return await alertPage(alerts, request, context, since: start)
        }
        if let links, LinkAnswers.isLink(request.uri.path) { return await answer(request, context, links, start) }
        let target = GeoReportTarget(path: request.uri.path)
        let page = target == nil ? StaticPage(path: request.uri.path) : nil
        let isPhoto = PhotoAnswers.isPhoto(request.uri.path)
        let isContract = ContractFiles.isContract(request.uri.path)
        let tourism = target == nil ? TourismTarget(path: request.uri.path) : nil
        let linked = target == nil && tourism == nil ? LinkedTarget(path: request.uri.path) : nil
        let format =
            isPhoto || isContract || tourism != nil || linked != nil
            ? .json
            : target?.format ?? ResponseFormat(extensionOf: request.uri.path)
                ?? ResponseFormat.negotiated(accept: request.headers[.accept])
        let trail = RequestTrail()
        trail.trace = Self.trace(of: request)
        var response: Response
        do throws(GeoReportError) {
            if format == nil, target != nil { throw Self.notAcceptable }
            if let photos, isPhoto {
                response = try await photos.response(to: request)
            } else if isContract {
                response = try ContractFiles.response(to: request)
            } else if let tourism {
                response = try await answer(request, tourism, limits.caller(request, context), trail)
            } else if let linked {
                response = try await answer(request, linked, limits.caller(request, context), trail)
            } else if let page {
                response = try page.response(to: request)
            } else {
                response = try await answer(request, target, format ?? .xml, limits.caller(request, context), trail)
            }
        } catch {
            if let reason = error.reason, trail.objects == nil { trail.objects = "refused " + reason }
            if tourism != nil {
                response = Self.response(to: error, TourismDocuments.bytes(of: error), .json)
            } else if linked != nil {
                response = Self.response(to: error, LinkedDocuments.bytes(of: error), .json)
            } else {
                response = Self.response(to: error, format ?? .xml)
            }
        }
        CrossOrigin.open(&response.headers)
        let requestID = HTTPMetrics.requestID(of: request)
        response.headers[HTTPMetrics.requestID] = requestID
        if request.method == .head {
            // Replacing the body resets the length.
            let length = response.headers[.contentLength]
            response.body = ResponseBody()
            response.headers[.contentLength] = length
        }
        let route =
            target?.resource.route.rawValue
            ?? Self.other(isPhoto: isPhoto, isContract: isContract, isTourism: tourism != nil, isLinked: linked != nil, isPage: page != nil)
        HTTPMetrics.record(route, request.method, Int(response.status.code), since: start)
        trail.log(logger, route, request.method, Int(response.status.code), requestID, since: start)
        await HTTPAudit.record(.inHTTP, route, request, response, requestID, trail, since: start, in: audit)
        return response
    }

    /// What an answer outside of GeoReport is counted as.
    private static func other(isPhoto: Bool, isContract: Bool, isTourism: Bool, isLinked: Bool, isPage: Bool) -> String {
        if isPhoto { return "media" }
        if isContract { return "contract" }
        if isTourism { return "tourism" }
        return isLinked ? "linked_data" : isPage ? "page" : "unknown"
    }

    private func alertPage(
        _ alerts: AlertPages, _ request: Request, _ context: Context, since start: ContinuousClock.Instant
    ) async -> Response {
        var response: Response
        let trail = RequestTrail()
        do throws(GeoReportError) {
            _ = try limits.admit(limits.caller(request, context), nil, in: directory.current)
            response = await alerts.response(to: request, directory.current, trail)
        } catch {
            response = Self.response(to: error, .json)
        }
        let requestID = HTTPMetrics.requestID(of: request)
        response.headers[HTTPMetrics.requestID] = requestID
        if request.method == .head { response.body = ResponseBody() }
        HTTPMetrics.record("alert", request.method, Int(response.status.code), since: start)
        await HTTPAudit.record(.inHTTP, "alert", request, response, requestID, trail, since: start, in: audit)
        return response
    }

    private static let random = NIOLockedValueBox(RandomBlock())

    /// The step of the caller's trace that is done here; a POST without one begins one.
    private static func trace(of request: Request) -> TraceContext? {
        let given = request.headers[HTTPAudit.traceparent].flatMap { TraceContext(parsing: $0) }
        guard given != nil || request.method == .post else { return nil }
        // By the block: a system call for each number would cost more than the row.
        return Self.random.withLockedValue { given?.child(using: &$0) ?? TraceContext.random(using: &$0) }
    }

    /// A page for one person: no other site may read it, so nothing opens it to other origins.
    private func answer(
        _ request: Request, _ context: Context, _ links: LinkAnswers, _ start: ContinuousClock.Instant
    ) async -> Response {
        let trail = RequestTrail()
        var response: Response
        do throws(GeoReportError) {
            _ = try limits.admit(limits.caller(request, context), nil, in: directory.current)
            response = await links.response(to: request, in: directory.current, trail)
        } catch {
            response = Self.response(to: error, .json)
        }
        if request.method == .head {
            let length = response.headers[.contentLength]
            response.body = ResponseBody()
            response.headers[.contentLength] = length
        }
        let requestID = HTTPMetrics.requestID(of: request)
        response.headers[HTTPMetrics.requestID] = requestID
        HTTPMetrics.record("link", request.method, Int(response.status.code), since: start)
        trail.log(logger, "link", request.method, Int(response.status.code), requestID, since: start)
        await HTTPAudit.record(.inHTTP, "link", request, response, requestID, trail, since: start, in: audit)
        return response
    }

    /// The answer to an address that was asked before, for a caller without a key who may still ask.
    private func shortcut(
        _ request: Request, _ context: Context
    ) -> (response: Response, route: String, tenant: TenantID?, requestID: String)? {
        guard let shortcut = shortcuts.shortcut(for: request, in: directory.current), !presentsKey(request) else { return nil }
        let verdict: RateLimiter.Verdict?
        // A refusal is written the long way.
        do { verdict = try limits.admit(limits.caller(request, context), nil, in: directory.current) } catch { return nil }
        var response = shortcut.answer.response(to: request)
        verdict?.tell(&response)
        let requestID = HTTPMetrics.requestID(of: request)
        response.headers.append(HTTPField(name: HTTPMetrics.requestID, value: requestID))
        return (response, shortcut.route.rawValue, shortcut.tenant, requestID)
    }

    private static var notAcceptable: GeoReportError {
        GeoReportError(406, "This is served as application/json and as text/xml: accept one, or end the path in .json or .xml.")
    }

    private func answer(
        _ request: Request, _ target: GeoReportTarget?, _ format: ResponseFormat, _ caller: ClientAddress?, _ trail: RequestTrail
    ) async throws(GeoReportError) -> Response {
        guard let target else { throw GeoReportError(404, "No such resource: \(String(request.uri.path.prefix(200))).") }
        let route = target.resource.route
        if request.method == .options { return CrossOrigin.options(route.allowed) }
        let isPost = request.method == .post && route.takesPost
        guard isPost || request.method == .get || request.method == .head else {
            var refusal = GeoReportError(405, "\(request.method.rawValue) is not allowed here: use \(route.allowed).")
            refusal.allow = route.allowed
            throw refusal
        }
        let query: FormFields
        do {
            query = try request.uri.query.map { (text) throws(FormError) in try FormReader.fields(Array(text.utf8)) } ?? FormFields()
        } catch {
            throw GeoReportError(error, .english)
        }
        if isPost {
            return target.resource == .updates
                ? try await takeUpdate(request, query, target, format, caller, trail)
                : try await submit(request, query, target, format, caller, trail)
        }
        let key = await accessKey(request, query, at: .now)
        trail.actor = key?.publicID
        let verdict = try limits.admit(caller, key?.scopes.contains(.read) == true ? key : nil, in: directory.current)
        let callback = try target.format == .json ? ScriptCallback(query["callback"]) : nil
        let snapshot = directory.current
        var response: Response
        if let prepared = try await prepared(request, query, target, format, trail) {
            if callback == nil, query["api_key"] == nil {
                shortcuts.keep(
                    CatalogueShortcuts.Shortcut(answer: prepared, route: route, tenant: trail.tenant), for: request, in: snapshot)
            }
            response = prepared.response(to: callback == nil ? request : ScriptCallback.plain(request))
        } else {
            response = try await read(callback == nil ? request : ScriptCallback.plain(request), query, target, format, key, trail)
        }
        if let callback { response = await callback.wrap(response) }
        verdict?.tell(&response)
        return response
    }

    /// Every GET that no prepared answer fits.
    private func read(
        _ request: Request, _ query: FormFields, _ target: GeoReportTarget, _ format: ResponseFormat, _ key: AccessKey?,
        _ trail: RequestTrail
    ) async throws(GeoReportError) -> Response {
        let tenant = try await tenant(of: target, jurisdiction: query["jurisdiction_id"])
        trail.note(tenant)
        let languages = Languages(tenant: tenant, query, request)
        switch target.resource {
        case .token(let token): return try await resolve(token, tenant, languages.wanted, format)
        case .updates: return try await updates(query, tenant, languages.wanted, format)
        case .serviceObjects, .serviceObject:
            let reading = Reading(request: request, query: query, tenant: tenant, languages: languages, format: format, key: key)
            if case .serviceObject(let id) = target.resource { return try await serviceObject(id, reading) }
            return try await serviceObjects(reading)
        case .requests, .request:
            let reading = Reading(request: request, query: query, tenant: tenant, languages: languages, format: format, key: key)
            if case .request(let id) = target.resource {
                let answer = try await find(id, reading)
                // What is not there is nobody's object, and strangers' guesses are one row for many.
                trail.request = ServiceRequestID(parsing: id)
                return answer
            }
            return try await search(reading)
        case .discovery, .services, .service: throw GeoReportError(500, "No answer was prepared.")
        }
    }
}
