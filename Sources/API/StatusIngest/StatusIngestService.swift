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
    let keyUses: KeyUseRecorder
    let logger: Logger

    /// Of a body, in bytes.
    static let maximumBody = 65_536

    public init(directory: TenantDirectory, updates: StatusUpdateStore, keyUses: KeyUseRecorder, logger: Logger) {
        self.directory = directory
        self.updates = updates
        self.keyUses = keyUses
        self.logger = logger
    }

    public func respond(to request: Request, context: Context) async throws -> Response {
        let start = ContinuousClock.now
        let trail = RequestTrail()
        var response: Response
        do { response = try await answer(request, trail) } catch { response = error.response }
        let requestID = HTTPMetrics.requestID(of: request)
        response.headers[HTTPMetrics.requestID] = requestID
        HTTPMetrics.record("status_update", request.method, Int(response.status.code), since: start)
        trail.log(logger, "status_update", request.method, Int(response.status.code), requestID, since: start)
        return response
    }

    private func answer(_ request: Request, _ trail: RequestTrail) async throws(Problem) -> Response {
        let words = request.uri.path.split(separator: "/")
        guard words.count == 5, words[0] == "v1", words[1] == "service-requests", words[3] == "updates",
            let requestText = FormReader.pathSegment(words[2]), let updateID = FormReader.pathSegment(words[4])
        else {
            throw Problem(
                404, "no-such-resource", "No such resource", "Use PUT /v1/service-requests/{service_request_id}/updates/{update_id}.")
        }
        guard request.method == .put else {
            var problem = Problem(405, "method-not-allowed", "Method not allowed", "Use PUT.")
            problem.headers[.allow] = "PUT"
            throw problem
        }
        let tenant = try await authenticated(request)
        trail.tenant = tenant.key
        guard (1...128).contains(updateID.count), !updateID.unicodeScalars.contains(where: { $0.value < 32 }) else {
            throw Problem(
                400, "invalid-update-id", "Invalid update id", "update_id must be 1 to 128 characters without control characters.")
        }
        let kind = (request.headers[.contentType] ?? "").prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        guard kind == "application/json" else {
            throw Problem(415, "unsupported-media-type", "Unsupported media type", "Content-Type must be application/json.")
        }
        let body = try await collect(request)
        let update = try StatusUpdateBody.update(body, id: updateID, receivedAt: .now)
        guard let id = ServiceRequestID(parsing: requestText) else { throw Self.unknownRequest }
        let applied: AppliedUpdate
        do {
            applied = try await updates.apply(update, to: id, of: tenant.id)
        } catch {
            HTTPMetrics.statusUpdate(tenant: tenant.key.rawValue, result: "refused")
            throw Self.problem(error)
        }
        HTTPMetrics.statusUpdate(tenant: tenant.key.rawValue, result: applied.outcome.rawValue)
        return Self.response(id, updateID, applied)
    }

    private func authenticated(_ request: Request) async throws(Problem) -> Tenant {
        let words = (request.headers[.authorization] ?? "").split(separator: " ")
        if words.count == 2, words[0].lowercased() == "bearer", let secret = AccessSecret(presented: String(words[1]), kind: .crmToken) {
            var snapshot = directory.current
            if snapshot.accessKey(secret.publicID, .crmToken) == nil { snapshot = await directory.refreshAfterMiss() }
            if let key = snapshot.accessKey(secret.publicID, .crmToken), key.isUsable(at: .now), secret.matches(storedHash: key.secretHash),
                let tenant = snapshot.tenant(key.tenant)
            {
                keyUses.note(key, at: .now)
                return tenant
            }
        }
        var problem = Problem(
            401, "unauthorized", "Unauthorized",
            "Send the header Authorization: Bearer with the CRM token of your tenant. Ask the operator for a new one if it was revoked.")
        problem.headers[.wwwAuthenticate] = "Bearer realm=\"status-ingest\""
        throw problem
    }

    private func collect(_ request: Request) async throws(Problem) -> [UInt8] {
        var body = ByteBuffer()
        do {
            for try await chunk in request.body {
                body.writeImmutableBuffer(chunk)
                if body.readableBytes > Self.maximumBody { break }
            }
        } catch {
            throw Problem(400, "unreadable-body", "Unreadable body", "The body could not be read to its end.")
        }
        guard body.readableBytes <= Self.maximumBody else {
            throw Problem(413, "too-large", "Too large", "The body may have \(Self.maximumBody) bytes at most: shorten status_notes.")
        }
        return Array(body.readableBytesView)
    }

    private static var unknownRequest: Problem {
        Problem(404, "unknown-request", "Unknown service request", "No service request of your tenant has this service_request_id.")
    }

    private static func problem(_ refusal: StatusUpdateRefusal) -> Problem {
        switch refusal {
        case .unknownRequest: return unknownRequest
        case .conflictingUpdate:
            return Problem(
                409, "conflicting-update", "Conflicting update", "This update_id was used before with another content: use a new one.")
        case .illegalTransition(let illegal):
            return Problem(
                409, "illegal-transition", "Illegal transition", "The \(illegal).",
                errors: [Problem.Detail(pointer: "/status", text: "\(illegal).")])
        case .storage(let error) where error.isRetriable:
            var problem = Problem(503, "unavailable", "Unavailable", "The service is unavailable for a moment. Send the same update again.")
            problem.headers[.retryAfter] = "5"
            return problem
        case .storage: return Problem(500, "internal", "Internal error", "An internal error occurred. Send the same update again later.")
        }
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
