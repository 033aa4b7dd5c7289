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
    let keyUses: KeyUseRecorder
    /// Nil only in tests of something else.
    let audit: AuditRecorder?
    /// What a tenant's CRM may read of it; nil where it may not.
    let auditStore: AuditStore?
    /// What events say of this installation.
    let origin: ServiceRequestEvent.Origin
    let logger: Logger

    public init(
        directory: TenantDirectory, updates: StatusUpdateStore, liveCounts: LiveCountStore, keyUses: KeyUseRecorder,
        origin: ServiceRequestEvent.Origin, logger: Logger, audit: AuditRecorder? = nil, auditStore: AuditStore? = nil
    ) {
        self.audit = audit
        self.auditStore = auditStore
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
        do { response = try await answer(request, trail) } catch { response = error.response }
        let requestID = HTTPMetrics.requestID(of: request)
        response.headers[HTTPMetrics.requestID] = requestID
        HTTPMetrics.record("status_update", request.method, Int(response.status.code), since: start)
        trail.log(logger, "status_update", request.method, Int(response.status.code), requestID, since: start)
        await HTTPAudit.record(.inREST, trail.route ?? "unknown", request, response, requestID, trail, since: start, in: audit)
        return response
    }

    private func answer(_ request: Request, _ trail: RequestTrail) async throws(Problem) -> Response {
        let words = request.uri.path.split(separator: "/")
        if words.count >= 2, words[0] == "v1", words[1] == "live-counts" { return try await liveCounts(request, words, trail) }
        if words.count == 4, words[0] == "v1", words[1] == "service-requests", words[3] == "timeline" {
            trail.route = "timeline"
            return try await timeline(request, FormReader.pathSegment(words[2]), trail)
        }
        if words == ["v1", "audit"] {
            trail.route = "audit"
            return try await auditRows(request, try await authenticated(request, trail))
        }
        if words.count == 4, words[0] == "v1", words[1] == "photos", words[3] == "redactions" {
            trail.route = "redactions"
            guard request.method == .post else { throw Self.notAllowed("POST") }
            let tenant = try await authenticated(request, trail)
            return try await redact(request, words[2], tenant, trail)
        }
        if words.count == 4, words[0] == "v1", words[1] == "service-requests", words[3] == "moderation" || words[3] == "personal-data" {
            trail.route = String(words[3])
            let method: HTTPRequest.Method = words[3] == "moderation" ? .post : .delete
            guard request.method == method else { throw Self.notAllowed(method.rawValue) }
            let (tenant, key) = try await identified(request, trail)
            guard let id = FormReader.pathSegment(words[2]).flatMap({ ServiceRequestID(parsing: $0) }) else {
                throw Problem(404, .unknownRequest)
            }
            trail.request = id
            return method == .post ? try await moderate(id, request, tenant, key, trail) : try await erase(id, request, tenant, key, trail)
        }
        if let response = try await erasureAcknowledgement(request, words, trail) { return response }
        guard words.count == 5, words[0] == "v1", words[1] == "service-requests", words[3] == "updates",
            let requestText = FormReader.pathSegment(words[2]), let updateID = FormReader.pathSegment(words[4])
        else {
            throw Problem(
                404, "no-such-resource", "No such resource",
                "Use PUT /v1/service-requests/{service_request_id}/updates/{update_id}, GET /v1/service-requests/{service_request_id}/timeline, "
                    + "POST /v1/service-requests/{service_request_id}/moderation, "
                    + "DELETE /v1/service-requests/{service_request_id}/personal-data, POST /v1/photos/{token}/redactions or GET /v1/audit."
            )
        }
        trail.route = "updates"
        guard request.method == .put else { throw Self.notAllowed("PUT") }
        let tenant = try await authenticated(request, trail)
        guard StatusUpdateForm.isUpdateID(updateID) else { throw Problem(400, .invalidUpdateID) }
        let kind = (request.headers[.contentType] ?? "").prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        guard kind == "application/json" else {
            throw Problem(415, "unsupported-media-type", "Unsupported media type", "Content-Type must be application/json.")
        }
        let body = try await collect(request, trail)
        let update: StatusUpdate
        do { update = try StatusUpdateForm(parsing: body).update(id: updateID, receivedAt: .now) } catch { throw Problem(400, error) }
        guard let id = ServiceRequestID(parsing: requestText) else { throw Problem(404, .unknownRequest) }
        trail.request = id
        let applied: AppliedUpdate
        do {
            applied = try await updates.apply(update, to: id, of: tenant.id)
        } catch {
            HTTPMetrics.statusUpdate(tenant: tenant.key.rawValue, result: "refused")
            throw Self.problem(error)
        }
        HTTPMetrics.statusUpdate(tenant: tenant.key.rawValue, result: applied.outcome.rawValue)
        if let delay = applied.firstAfter { HTTPMetrics.acknowledged(tenant: tenant.key.rawValue, after: delay) }
        trail.objects = applied.outcome.rawValue
        trail.requestTrace = applied.traceID
        return Self.response(id, updateID, applied)
    }

    static func notAllowed(_ method: String) -> Problem {
        var problem = Problem(405, "method-not-allowed", "Method not allowed", "Use \(method).")
        problem.headers[.allow] = method
        return problem
    }

    private func timeline(_ request: Request, _ text: String?, _ trail: RequestTrail) async throws(Problem) -> Response {
        guard request.method == .get else { throw Self.notAllowed("GET") }
        let tenant = try await authenticated(request, trail)
        guard let id = text.flatMap({ ServiceRequestID(parsing: $0) }) else { throw Problem(404, .unknownRequest) }
        trail.request = id
        let found: RequestTimeline?
        do { found = try await updates.timeline(of: id, tenant: tenant.id) } catch { throw Self.problem(.storage(error)) }
        guard let found else { throw Problem(404, .unknownRequest) }
        return TimelineDocument.response(found)
    }

    func authenticated(_ request: Request, _ trail: RequestTrail) async throws(Problem) -> Tenant {
        try await identified(request, trail).tenant
    }

    /// - Returns: the tenant, and the public id of its token.
    private func identified(_ request: Request, _ trail: RequestTrail) async throws(Problem) -> (tenant: Tenant, key: String) {
        let words = (request.headers[.authorization] ?? "").split(separator: " ")
        if words.count == 2, words[0].lowercased() == "bearer", let secret = AccessSecret(presented: String(words[1]), kind: .crmToken) {
            var snapshot = directory.current
            if snapshot.accessKey(secret.publicID, .crmToken) == nil { snapshot = await directory.refreshAfterMiss() }
            if let key = snapshot.accessKey(secret.publicID, .crmToken), key.isUsable(at: .now), secret.matches(storedHash: key.secretHash),
                let tenant = snapshot.tenant(key.tenant)
            {
                keyUses.note(key, at: .now)
                trail.tenant = tenant
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

    func collect(_ request: Request, _ trail: RequestTrail) async throws(Problem) -> [UInt8] {
        var body = ByteBuffer()
        do {
            for try await chunk in request.body {
                body.writeImmutableBuffer(chunk)
                if body.readableBytes > StatusUpdateForm.maximumSize { break }
            }
        } catch {
            throw Problem(400, "unreadable-body", "Unreadable body", "The body could not be read to its end.")
        }
        guard body.readableBytes <= StatusUpdateForm.maximumSize else { throw Problem(413, .tooLarge) }
        trail.read(body)
        trail.readToEnd()
        return Array(body.readableBytesView)
    }

    static func problem(_ refusal: StatusUpdateRefusal) -> Problem {
        if let fault = refusal.fault { return Problem(fault == .unknownRequest ? 404 : fault == .erasedRequest ? 410 : 409, fault) }
        guard case .storage(let error) = refusal, error.isRetriable else {
            return Problem(500, "internal", "Internal error", "An internal error occurred. Send the same update again later.")
        }
        var problem = Problem(503, "unavailable", "Unavailable", "The service is unavailable for a moment. Send the same update again.")
        problem.headers[.retryAfter] = "5"
        return problem
    }

    private static func response(_ id: ServiceRequestID, _ updateID: String, _ applied: AppliedUpdate) -> Response {
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        writer.name("service_request_id")
        writer.quoted(id.rawValue)
        writer.name("update_id")
        writer.value(updateID)
        writer.name("outcome")
        writer.value(applied.outcome.rawValue)
        writer.name("applied")
        writer.value(applied.outcome != .superseded)
        writer.name("status")
        writer.value(applied.status.publicStatus.rawValue)
        writer.name("detailed_status")
        writer.value(applied.status.description)
        writer.name("updated_datetime")
        writer.value(applied.updatedAt)
        writer.endObject()
        var headers = HTTPFields()
        headers[.contentType] = "application/json; charset=utf-8"
        headers[.cacheControl] = "no-store"
        return Response(
            status: applied.outcome == .applied ? .created : .ok, headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }
}
