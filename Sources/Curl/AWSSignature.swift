/// What signs a request in Amazon's way (Signature Version 4), which S3-compatible services ask for. Printing it shows no secret.
///
/// libcurl signs the method, the path, the query, the host, the moment and every header of the request; the body by the header
/// `x-amz-content-sha256`, which the caller gives. libcurl 7.88 neither sorts nor encodes: path and query must be written as the
/// signature wants them, parameters in the order of their bytes, everything but letters, digits and `-._~` percent-encoded in
/// capitals, and each parameter with its `=`.
public struct AWSSignature: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    public var region: String
    public var service: String
    public var accessKey: String
    public var secretKey: String

    public init(region: String, service: String, accessKey: String, secretKey: String) {
        self.region = region
        self.service = service
        self.accessKey = accessKey
        self.secretKey = secretKey
    }

    public var description: String { "signature for \(service) in \(region)" }
    public var customMirror: Mirror { Mirror(self, children: ["service": service, "region": region]) }

    /// As libcurl takes them: separated by colons.
    var provider: String { "aws:amz:\(region):\(service)" }

    var isComplete: Bool {
        let isWord = { (text: String) in
            !text.isEmpty && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
        }
        return isWord(region) && isWord(service) && !accessKey.isEmpty && !secretKey.isEmpty
            && (accessKey + secretKey).utf8.allSatisfy { $0 > 32 && $0 < 127 }
    }
}
