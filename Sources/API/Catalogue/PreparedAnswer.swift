import HTTPTypes
import Hummingbird
import NIOCore
import Open311

/// An answer made once and sent many times: its bytes plain and compressed, with their validators.
struct PreparedAnswer: Sendable {
    private let plain: ByteBuffer
    private let compressed: ByteBuffer?
    /// Strong: one for each form of the bytes.
    private let plainTag: String
    private let compressedTag: String
    private let headers: HTTPFields
    private let lastModified: Timestamp?

    /// - Parameters:
    ///   - lastModified: whole seconds count; nil for what has no date.
    ///   - language: the first in which texts were looked for; nil where there are none.
    init(_ bytes: [UInt8], contentType: String, lastModified: Timestamp?, language: Language?, cacheControl: String = "public, max-age=300") {
        plain = ByteBuffer(bytes: bytes)
        compressed = Gzip.compressed(bytes).map { ByteBuffer(bytes: $0) }
        let digest = Conditional.digest(bytes)
        plainTag = "\"\(digest)\""
        compressedTag = "\"\(digest)-gzip\""
        self.lastModified = lastModified.map { Timestamp(seconds: $0.seconds) }
        var headers = HTTPFields()
        headers[.contentType] = contentType
        headers[.cacheControl] = cacheControl
        headers[.lastModified] = lastModified.map(HTTPDate.text)
        headers[.vary] = "Accept-Encoding, Accept-Language, Origin"
        if let language { headers[.contentLanguage] = language.rawValue }
        self.headers = headers
    }

    /// The bytes, compressed where that is accepted; 304 for who has them already.
    func response(to request: Request) -> Response {
        var headers = headers
        let compressed = Gzip.isAccepted(request.headers[.acceptEncoding]) ? compressed : nil
        headers[.eTag] = compressed == nil ? plainTag : compressedTag
        if Conditional.isKnown(to: request, tags: [plainTag, compressedTag], lastModified: lastModified) { return Response(status: .notModified, headers: headers) }
        if compressed != nil { headers[.contentEncoding] = "gzip" }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: compressed ?? plain))
    }
}
