import HTTPTypes
import Hummingbird
import NIOCore
import Open311

/// An answer made once and sent many times: its bytes plain and compressed, each with all its headers.
struct PreparedAnswer: Sendable {
    private struct Form {
        let bytes: ByteBuffer
        let headers: HTTPFields
    }

    private let plain: Form
    private let compressed: Form?
    /// Strong validators, one for each form of the bytes.
    private let tags: [String]
    private let lastModified: Timestamp?

    /// - Parameters:
    ///   - lastModified: whole seconds count; nil for what has no date.
    ///   - language: the first in which texts were looked for; nil where there are none.
    init(_ bytes: [UInt8], contentType: String, lastModified: Timestamp?, language: Language?, cacheControl: String = "public, max-age=300")
    {
        let digest = Conditional.digest(bytes)
        var headers = HTTPFields()
        headers[.contentType] = contentType
        headers[.cacheControl] = cacheControl
        headers[.lastModified] = lastModified.map(HTTPDate.text)
        headers[.vary] = "Accept-Encoding, Accept-Language, Origin"
        if let language { headers[.contentLanguage] = language.rawValue }
        CrossOrigin.open(&headers)
        tags = ["\"\(digest)\"", "\"\(digest)-gzip\""]
        plain = Self.form(bytes, tag: tags[0], headers)
        headers[.contentEncoding] = "gzip"
        compressed = Gzip.compressed(bytes).map { [headers, tags] in Self.form($0, tag: tags[1], headers) }
        self.lastModified = lastModified.map { Timestamp(seconds: $0.seconds) }
    }

    private static func form(_ bytes: [UInt8], tag: String, _ headers: HTTPFields) -> Form {
        var headers = headers
        headers[.eTag] = tag
        headers[.contentLength] = String(bytes.count)
        return Form(bytes: ByteBuffer(bytes: bytes), headers: headers)
    }

    /// The bytes, compressed where that is accepted; 304 for who has them already.
    func response(to request: Request) -> Response {
        let form = compressed.flatMap { Gzip.isAccepted(request.headers[.acceptEncoding]) ? $0 : nil } ?? plain
        if Conditional.isKnown(to: request, tags: tags, lastModified: lastModified) {
            return Response(status: .notModified, headers: form.headers)
        }
        return Response(status: .ok, headers: form.headers, body: ResponseBody(byteBuffer: form.bytes))
    }
}
