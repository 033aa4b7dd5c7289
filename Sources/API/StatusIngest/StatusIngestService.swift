import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Open311
import Storage

/// The CRM's way back: `PUT /v1/service-requests/{id}/updates/{update_id}` with the CRM's bearer token.
public struct StatusIngestService: HTTPResponder {
    public typealias Context = BasicRequestContext

    let directory: TenantDirectory
    let updates: StatusUpdateStore
    let liveCountStore: LiveCountStore
    /// Nil where photos are not stored.
    let workPhotos: WorkPhotos?
    let keyUses: KeyUseRecorder
    /// Nil only in tests of something else.
    let audit: AuditRecorder?
    /// What a tenant's CRM may read of it; nil where it may not.
    let auditStore: AuditStore?
    /// Its statistics; nil where they are not served.
    let usage: UsageStore?
    let references: ReferenceStore
    let room = ReferenceRoom()
    /// What events say of this installation.
    let origin: ServiceRequestEvent.Origin
    let logger: Logger

    public init(
        directory: TenantDirectory, updates: StatusUpdateStore, liveCounts: LiveCountStore, keyUses: KeyUseRecorder,
        references: ReferenceStore,
        origin: ServiceRequestEvent.Origin, logger: Logger, audit: AuditRecorder? = nil, auditStore: AuditStore? = nil,
        workPhotos: WorkPhotos? = nil, usage: UsageStore? = nil
    ) {
        self.usage = usage
        self.audit = audit
        self.workPhotos = workPhotos
        self.auditStore = auditStore
        self.references = references
        self.origin = origin
        self.directory = directory
        self.updates = updates
        liveCountStore = liveCounts
        self.keyUses = keyUses
        self.logger = logger
    }

    public func respond(to request: Request, context: Context) async throws -> Response {
        let start = ContinuousClock.now
        let trail = RequestTrail()
        trail.trace = request.headers[HTTPAudit.traceparent].flatMap { TraceContext(parsing: $0) }
        var response: Response
        do { response = try await answer(request, trail) } catch {
            // Why, for the audit and the statistics: a code of ours.
            if trail.objects == nil { trail.objects = "refused " + error.code }
            response = error.response
        }
        let requestID = HTTPMetrics.requestID(of: request)
        response.headers[HTTPMetrics.requestID] = requestID
        HTTPMetrics.record("status_update", request.method, Int(response.status.code), since: start)
        trail.log(logger, "status_update", request.method, Int(response.status.code), requestID, since: start)
        await HTTPAudit.record(.inREST, trail.route ?? "unknown", request, response, requestID, trail, since: start, in: audit)
        return response
    }

    private func answer(_ request: Request, _ trail: RequestTrail) async throws(Problem) -> Response {
        let words = request.uri.path.split(separator: "/")
        guard words.first == "v1" else {
            guard request.uri.path == "/openapi.json" else { throw Self.noSuchResource }
            return try Self.openAPI(request)
        }
        if words.count >= 2, words[1] == "live-counts" { return try await liveCounts(request, words, trail) }
        if words.count >= 2, words[1] == "reference-data" { return try await reference(request, words.dropFirst(2), trail) }
        if words.count == 4, words[1] == "service-requests", words[3] == "service" {
            return try await requestedService(request, words[2], trail)
        }
        if let answer = try await erasureAcknowledgement(request, words, trail) { return answer }
        if let answer = try await lifecycle(words.dropFirst(), request, trail) { return answer }
        if words == ["v1", "audit"] {
            trail.route = "audit"
            return try await auditRows(request, try await authenticated(request, trail))
        }
        if words == ["v1", "statistics"] {
            trail.route = "statistics"
            return try await statistics(request, try await authenticated(request, trail))
        }
        if words.count == 4, words[1] == "photos", words[3] == "redactions" {
            trail.route = "redactions"
            guard request.method == .post else { throw Self.notAllowed("POST") }
            let tenant = try await authenticated(request, trail)
            return try await redact(request, words[2], tenant, trail)
        }
        if words.count == 4, words[1] == "service-requests" {
            let what = words[3]
            let methods: [Substring: HTTPRequest.Method] = ["timeline": .get, "moderation": .post, "personal-data": .delete]
            guard let method = methods[what] else { throw Self.noSuchResource }
            trail.route = String(what)
            guard request.method == method else { throw Self.notAllowed(method.rawValue) }
            let (tenant, key) = try await identified(request, trail)
            let id = try await number(words[2], tenant)
            trail.request = id
            switch what {
            case "timeline": return try await timeline(id, tenant)
            case "moderation": return try await moderate(id, request, tenant, key, trail)
            default: return try await erase(id, request, tenant, key, trail)
            }
        }
        throw Self.noSuchResource
    }

    /// Our number for the request that a path names.
    func number(_ segment: Substring, _ tenant: Tenant) async throws(Problem) -> ServiceRequestID {
        try await number(of: try address(segment), tenant)
    }

    func number(of address: RequestAddress, _ tenant: Tenant) async throws(Problem) -> ServiceRequestID {
        let found: ServiceRequestID?
        do { found = try await updates.number(of: address, tenant: tenant.id) } catch { throw Self.problem(.storage(error)) }
        guard let found else { throw Problem(404, .unknownRequest) }
        return found
    }

    func address(_ segment: Substring) throws(Problem) -> RequestAddress {
        guard let address = FormReader.pathSegment(segment).flatMap({ RequestAddress(serviceRequestID: $0) }) else {
            throw Problem(404, .unknownRequest)
        }
        return address
    }

    private static let noSuchResource = Problem(
        404, "no-such-resource", "No such resource", "GET /openapi.json tells what there is below /v1.")

    static func notAllowed(_ method: String) -> Problem {
        var problem = Problem(405, "method-not-allowed", "Method not allowed", "Use \(method).")
        problem.headers[.allow] = method
        return problem
    }

    private func timeline(_ id: ServiceRequestID, _ tenant: Tenant) async throws(Problem) -> Response {
        let found: RequestTimeline?
        do { found = try await updates.timeline(of: id, tenant: tenant.id) } catch { throw Self.problem(.storage(error)) }
        guard let found else { throw Problem(404, .unknownRequest) }
        return TimelineDocument.response(found)
    }

    func authenticated(_ request: Request, _ trail: RequestTrail) async throws(Problem) -> Tenant {
        try await identified(request, trail).tenant
    }

    /// - Returns: the tenant, and the public id of its token.
    func identified(_ request: Request, _ trail: RequestTrail) async throws(Problem) -> (tenant: Tenant, key: String) {
        let words = (request.headers[.authorization] ?? "").split(separator: " ")
        if words.count == 2, words[0].lowercased() == "bearer", let secret = AccessSecret(presented: String(words[1]), kind: .crmToken) {
            var snapshot = directory.current
            if snapshot.accessKey(secret.publicID, .crmToken) == nil { snapshot = await directory.refreshAfterMiss() }
            if let key = snapshot.accessKey(secret.publicID, .crmToken), key.isUsable(at: .now), secret.matches(storedHash: key.secretHash),
                let tenant = snapshot.tenant(key.tenant)
            {
                keyUses.note(key, at: .now)
                trail.note(tenant)
                trail.actor = key.publicID
                return (tenant, key.publicID)
            }
        }
        var problem = Problem(
            401, "unauthorized", "Unauthorized",
            "Send the header Authorization: Bearer with the CRM token of your tenant. Ask the operator for a new one if it was revoked.")
        problem.headers[.wwwAuthenticate] = "Bearer realm=\"status-ingest\""
        throw problem
    }

    func collect(
        _ request: Request, _ trail: RequestTrail, atMost maximum: Int = StatusUpdateForm.maximumSize
    ) async throws(Problem) -> [UInt8] {
        var body = ByteBuffer()
        do {
            for try await chunk in request.body {
                body.writeImmutableBuffer(chunk)
                if body.readableBytes > maximum { break }
            }
        } catch {
            throw Problem(400, "unreadable-body", "Unreadable body", "The body could not be read to its end.")
        }
        guard body.readableBytes <= maximum else {
            throw Problem(
                413,
                maximum == StatusUpdateForm.maximumSize
                    ? .tooLarge
                    : StatusUpdateFault("too-large", "Too large", "The body may have \(maximum) bytes at most: send it in parts."))
        }
        trail.read(body)
        trail.readToEnd()
        return Array(body.readableBytesView)
    }

    /// - Parameter place: JSON pointer to the update in the body.
    static func problem(_ refusal: StatusUpdateRefusal, at place: String = "") -> Problem {
        if let fault = refusal.fault {
            let status =
                switch refusal {
                case .unknownRequest, .unknownErasure: 404
                case .erasedRequest: 410
                case .unmapped: 400
                case .staleVersion: 412
                default: 409
                }
            var problem = Problem(status, fault.placed(at: place))
            if case .staleVersion(let version) = refusal { problem.headers[.eTag] = "\"\(version)\"" }
            return problem
        }
        guard case .storage(let error) = refusal, error.isRetriable else {
            return Problem(500, "internal", "Internal error", "An internal error occurred. Send the same update again later.")
        }
        var problem = Problem(503, "unavailable", "Unavailable", "The service is unavailable for a moment. Send the same update again.")
        problem.headers[.retryAfter] = "5"
        return problem
    }
}
