import HTTPTypes
import Hummingbird
import NIOConcurrencyHelpers
import NIOCore

/// JSONP, for pages older than CORS: the answer of a GET wrapped in the call of a function that the page names.
struct ScriptCallback {
    private let name: String

    /// - Returns: nil where none is asked for.
    /// - Throws: 400 unless it is a plain JavaScript name of at most 128 characters: anything else could be a script of its own.
    init?(_ text: String?) throws(GeoReportError) {
        guard let text else { return nil }
        let isName = { (byte: UInt8) in
            byte == UInt8(ascii: "_") || byte == UInt8(ascii: "$") || (65...90).contains(byte) || (97...122).contains(byte)
        }
        let isInside = { (byte: UInt8) in isName(byte) || byte == UInt8(ascii: ".") || (48...57).contains(byte) }
        guard let first = text.utf8.first, text.utf8.count <= 128, isName(first), text.utf8.allSatisfy(isInside) else {
            throw GeoReportError(400, "callback must be a JavaScript name: 1 to 128 letters, digits, _, $ and dots, no digit first.")
        }
        name = text
    }

    /// The request as it must be answered to be wrapped: neither compressed nor 304.
    static func plain(_ request: Request) -> Request {
        var head = request.head
        for name in [HTTPField.Name.acceptEncoding, .ifNoneMatch, .ifModifiedSince] { head.headerFields[name] = nil }
        return Request(head: head, body: request.body)
    }

    private struct Collector: ResponseBodyWriter {
        let script: NIOLockedValueBox<ByteBuffer>

        func write(_ buffer: ByteBuffer) { script.withLockedValue { _ = $0.writeImmutableBuffer(buffer) } }
        func finish(_ trailingHeaders: HTTPFields?) {}
    }

    func wrap(_ response: Response) async -> Response {
        let script = NIOLockedValueBox(ByteBuffer(string: "/**/\(name)("))
        // A body made in memory cannot fail to be written into memory.
        do { try await response.body.write(Collector(script: script)) } catch { return response }
        script.withLockedValue { _ = $0.writeString(");") }
        var headers = response.headers
        headers[.contentType] = "application/javascript; charset=utf-8"
        for name in [HTTPField.Name.eTag, .contentLength] { headers[name] = nil }
        headers[.xContentTypeOptions] = "nosniff"
        return Response(status: response.status, headers: headers, body: ResponseBody(byteBuffer: script.withLockedValue { $0 }))
    }
}
