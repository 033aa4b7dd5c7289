import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

extension StatusIngestService {
    /// `PUT /v1/service-requests/{id}/personal-data/acknowledgement` with `{"outcome": "erased"}`, or `{"outcome": "kept", "reason":
    /// "legal_obligation"}`: the CRM's answer to `service_request.erased`. `GET` shows how it stands.
    ///
    /// - Returns: nil for another path.
    func erasureAcknowledgement(
        _ request: Request, _ words: [Substring], _ trail: RequestTrail
    ) async throws(Problem) -> Response? {
        guard words.count == 5, words[0] == "v1", words[1] == "service-requests", words[3] == "personal-data", words[4] == "acknowledgement"
        else { return nil }
        guard request.method == .put || request.method == .get else { throw Self.notAllowed("GET, PUT") }
        trail.route = "erasure acknowledgement"
        let tenant = try await authenticated(request, trail)
        let id = try await number(words[2], tenant)
        trail.request = id
        let found: RegisteredErasure?
        if request.method == .put {
            let answer = try Self.answer(in: try await collect(request, trail))
            do { found = try await updates.acknowledgeErasure(of: id, answer, tenant: tenant.id) } catch {
                throw Self.problem(.storage(error))
            }
        } else {
            do { found = try await updates.erasure(of: id, tenant: tenant.id) } catch { throw Self.problem(.storage(error)) }
        }
        guard let found else {
            throw Problem(404, .unknownErasure)
        }
        return Self.response(found)
    }

    private static func answer(in body: [UInt8]) throws(Problem) -> CRMErasureAnswer {
        let members: [JSONValue.Member]
        do { members = try StatusUpdateFault.object(in: body) } catch { throw Problem(400, error) }
        func invalid(_ pointer: String, _ text: String) -> Problem {
            Problem(
                400,
                StatusUpdateFault(
                    "invalid-acknowledgement", "Invalid acknowledgement", "Nothing was changed: correct the members listed.",
                    members: [StatusUpdateFault.Member(pointer: pointer, text: text)]))
        }
        do { return try CRMErasureAnswer(members: members) } catch { throw invalid("/\(error.name)", "\(error).") }
    }

    private static func response(_ erasure: RegisteredErasure) -> Response {
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        writer.name("service_request_id")
        writer.quoted(erasure.request.rawValue)
        writer.name("erased_datetime")
        writer.value(erasure.erasedAt)
        writer.name("reason")
        writer.value(erasure.reason)
        writer.name("acknowledgement")
        writer.beginObject()
        writer.name("state")
        writer.value(erasure.crmOutcome?.rawValue ?? "awaited")
        writer.name("reason")
        writer.value(erasure.crmReason)
        writer.name("acknowledged_datetime")
        writer.value(erasure.crmAnsweredAt)
        writer.endObject()
        writer.endObject()
        var headers = HTTPFields()
        headers[.contentType] = "application/json; charset=utf-8"
        headers[.cacheControl] = "no-store"
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }
}
