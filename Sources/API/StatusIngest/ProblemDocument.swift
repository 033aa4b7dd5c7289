import HTTPTypes
import Hummingbird
import NIOCore
import Open311

/// An error of status-ingest, as `application/problem+json` (RFC 9457) with every fault at once.
struct Problem: Error {
    let status: Int
    let code: String
    let title: String
    let detail: String
    let errors: [StatusUpdateFault.Member]
    var headers: HTTPFields = [:]

    /// Not ours: sent again, it is refused again.
    var isTheSenders: Bool { status < 500 }

    init(_ status: Int, _ code: String, _ title: String, _ detail: String) {
        self.init(status, StatusUpdateFault(code, title, detail))
    }

    init(_ status: Int, _ fault: StatusUpdateFault) {
        self.status = status
        code = fault.code
        title = fault.title
        detail = fault.detail
        errors = fault.members
    }

    var response: Response {
        var writer = JSONWriter(capacity: 512)
        write(&writer)
        var headers = self.headers
        headers[.contentType] = "application/problem+json"
        headers[.cacheControl] = "no-store"
        return Response(
            status: HTTPResponse.Status(code: status), headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }

    /// As an object: a body of its own, or the error of one item in a list.
    func write(_ writer: inout JSONWriter) {
        writer.beginObject()
        writer.name("type")
        writer.value("urn:bus311:problem:" + code)
        writer.name("code")
        writer.value(code)
        writer.name("title")
        writer.value(title)
        writer.name("status")
        writer.value(Int64(status))
        writer.name("detail")
        writer.value(detail)
        if !errors.isEmpty {
            writer.name("errors")
            writer.faults(errors)
        }
        writer.endObject()
    }
}
