import HTTPTypes
import Hummingbird
import NIOCore
import Open311
import Storage

extension StatusIngestService {
    /// `POST /v1/photos/{token}/redactions`: rectangles of the public copy are blurred for good. The photo is hidden from this
    /// answer until it is done.
    func redact(_ request: Request, _ text: Substring, _ tenant: Tenant, _ trail: RequestTrail) async throws(Problem) -> Response {
        guard let token = PhotoToken(parsing: text) else { throw Self.unknownPhoto }
        guard let redaction = PhotoRedaction(json: try await collect(request, trail)) else {
            throw Problem(
                400, "invalid-rectangles", "Invalid rectangles",
                "Send {\"rectangles\": [{\"x\": 10, \"y\": 20, \"width\": 100, \"height\": 50}]}: 1 to \(PhotoRedaction.maximumRectangles) of "
                    + "them, in whole pixels of the photo as it is served, at most \(PhotoRedaction.maximumSide).")
        }
        let isAccepted: Bool
        do { isAccepted = try await updates.redact(token, redaction, of: tenant.id) } catch { throw Self.problem(.storage(error)) }
        guard isAccepted else { throw Self.unknownPhoto }
        var writer = JSONWriter(capacity: 128)
        writer.beginObject()
        writer.name("photo")
        writer.value(token.text)
        writer.name("state")
        writer.value("redacting")
        writer.endObject()
        var headers = HTTPFields()
        headers[.contentType] = "application/json; charset=utf-8"
        headers[.cacheControl] = "no-store"
        return Response(status: .accepted, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }

    private static var unknownPhoto: Problem {
        Problem(404, "unknown-photo", "Unknown photo", "Your tenant has no photo of this address that is shown now.")
    }
}
