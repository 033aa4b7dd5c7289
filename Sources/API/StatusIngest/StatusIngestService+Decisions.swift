import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

extension StatusIngestService {
    /// `POST /v1/service-requests/{id}/moderation` with `{"action": "hide", "reason": "…"}`: the request vanishes from every public
    /// answer before this one is given, or is back.
    func moderate(
        _ id: ServiceRequestID, _ request: Request, _ tenant: Tenant, _ key: String, _ trail: RequestTrail
    ) async throws(Problem) -> Response {
        let members = try await members(request, trail) ?? [:]
        guard let decision = members["action"]?.string.flatMap({ Moderation.Decision(rawValue: $0) }) else {
            throw Self.invalid("/action", "action must be one of: \(Moderation.Decision.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        let moderation: Moderation
        do {
            moderation = try Moderation(decision, because: members["reason"]?.string ?? "", at: .now, through: .crm)
        } catch {
            throw Self.invalid("/reason", "\(error).")
        }
        let applied: AppliedModeration
        do {
            applied = try await updates.moderate(id, moderation, by: key, of: tenant, origin: origin)
        } catch {
            throw Self.problem(error)
        }
        return Self.answer { writer in
            writer.name("service_request_id")
            writer.quoted(id.rawValue)
            writer.name("outcome")
            writer.value(applied.isChange ? "applied" : "unchanged")
            writer.name("hidden")
            writer.value(applied.isHidden)
        }
    }

    /// `DELETE /v1/service-requests/{id}/personal-data`, with `{"reason": "…"}` where it is not the person's own wish.
    func erase(
        _ id: ServiceRequestID, _ request: Request, _ tenant: Tenant, _ key: String, _ trail: RequestTrail
    ) async throws(Problem) -> Response {
        let word = try await members(request, trail)?["reason"]
        guard let reason = word == nil ? .dataSubjectRequest : word?.string.flatMap({ ErasureReason(rawValue: $0) }) else {
            throw Self.invalid(
                "/reason", "reason must be one of: \(ErasureReason.allCases.map(\.rawValue).joined(separator: ", ")); absent is the first.")
        }
        let applied: AppliedErasure
        do {
            applied = try await updates.erase(id, because: reason, by: key, of: tenant, origin: origin)
        } catch {
            throw Self.problem(error)
        }
        return Self.answer { writer in
            writer.name("service_request_id")
            writer.quoted(id.rawValue)
            writer.name("outcome")
            writer.value(applied.isChange ? "erased" : "repeated")
            writer.name("reason")
            writer.value(applied.reason)
            writer.name("erased_datetime")
            writer.value(applied.erasedAt)
        }
    }

    /// The body's object; nil without a body.
    private func members(_ request: Request, _ trail: RequestTrail) async throws(Problem) -> [String: JSONValue]? {
        let body = try await collect(request, trail)
        return body.isEmpty ? nil : try Self.object(in: body)
    }

    private static func invalid(_ pointer: String, _ text: String) -> Problem {
        Problem(
            400,
            StatusUpdateFault(
                "invalid-decision", "Invalid decision", "Nothing was changed: correct the members listed.",
                members: [StatusUpdateFault.Member(pointer: pointer, text: text)]))
    }

    private static func answer(_ members: (inout JSONWriter) -> Void) -> Response {
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        members(&writer)
        writer.endObject()
        var headers = HTTPFields()
        headers[.contentType] = "application/json; charset=utf-8"
        headers[.cacheControl] = "no-store"
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }
}
