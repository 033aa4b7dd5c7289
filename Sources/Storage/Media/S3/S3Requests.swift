import Curl
import Open311

/// The five questions that are put to an S3-compatible service, with the bucket in the path. Written as their signature wants them:
/// nothing in a path needs encoding, and the parameters of a query are in order.
struct S3Requests: Sendable {
    private let configuration: S3Configuration
    private let bucket: String
    /// Of no bytes.
    private static let emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    /// What the largest photo may have that an installation can allow.
    private static let maximumFile = Int(Int32.max)

    init(_ configuration: S3Configuration) {
        self.configuration = configuration
        bucket = "\(configuration.endpoint)/\(configuration.bucket)"
    }

    func url(_ key: MediaKey) -> String { "\(bucket)/\(configuration.prefix)\(key.tenant.rawValue)/\(key.kind.rawValue)/\(key.name)" }

    private func request(_ method: String, _ url: String, hash: String = emptyHash) -> HTTPRequest {
        HTTPRequest(
            method: method, url: url, headers: [HTTPHeader(name: "x-amz-content-sha256", value: hash)],
            signature: configuration.signature)
    }

    /// - Parameter sha256: of the file's bytes: signed, so that the service stores these bytes or none.
    func put(_ key: MediaKey, path: String, sha256: [UInt8]) -> HTTPRequest {
        let hash = sha256.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
        var request = request("PUT", url(key), hash: hash)
        // Nobody may open it in a browser, even where a bucket is public by mistake.
        request.headers.append(HTTPHeader(name: "Content-Type", value: "application/octet-stream"))
        request.upload = FileUpload(path: path)
        return request
    }

    func get(_ key: MediaKey, into path: String) -> HTTPRequest {
        var request = request("GET", url(key))
        request.download = FileDownload(path: path)
        request.maximumResponseBytes = Self.maximumFile
        return request
    }

    func get(_ key: MediaKey, _ range: Range<Int>) -> HTTPRequest {
        var request = request("GET", url(key))
        request.headers.append(HTTPHeader(name: "Range", value: "bytes=\(range.lowerBound)-\(range.upperBound - 1)"))
        // An error's body is longer than the smallest range.
        request.maximumResponseBytes = max(range.count, 65_536)
        return request
    }

    func head(_ key: MediaKey) -> HTTPRequest { request("HEAD", url(key)) }

    func delete(_ key: MediaKey) -> HTTPRequest { request("DELETE", url(key)) }

    func list(_ prefix: String, delimiter: String?, after token: String?, count: Int) -> HTTPRequest {
        var query: [String] = []
        if let token { query.append("continuation-token=\(Self.encoded(token))") }
        if let delimiter { query.append("delimiter=\(Self.encoded(delimiter))") }
        query += ["list-type=2", "max-keys=\(count)", "prefix=\(Self.encoded(prefix))"]
        var request = request("GET", "\(bucket)?\(query.joined(separator: "&"))")
        request.maximumResponseBytes = 2_097_152
        return request
    }

    /// Everything but letters, digits and `-._~` as `%2F`.
    static func encoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { encoded, byte in
            let isPlain =
                (65...90).contains(byte) || (97...122).contains(byte) || (48...57).contains(byte) || "-._~".utf8.contains(byte)
            encoded += isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
    }
}
