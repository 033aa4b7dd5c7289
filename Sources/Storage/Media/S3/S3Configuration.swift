import Curl

/// Where an S3-compatible service is, and how to speak to it. Printing it shows no secret.
public struct S3Configuration: Sendable, CustomStringConvertible, CustomReflectable {
    /// As in `https://s3.eu-west-3.amazonaws.com`: buckets are in its path.
    let endpoint: String
    let region: String
    let bucket: String
    /// In front of every key: empty, or ending in a slash.
    let prefix: String
    let accessKey: String
    let secretKey: String
    /// PEM file of the authorities that the service's certificate may come from; nil for the system's.
    let authorities: String?

    /// What cannot be, by the name of the setting.
    public struct Fault: Error, Sendable, Equatable, CustomStringConvertible {
        public let setting: String
        public let problem: String

        public var description: String { "\(setting): \(problem)" }
    }

    /// - Parameter allowsCleartext: whether photos may travel to another machine in the clear; to this one they may always.
    public init(
        endpoint: String, region: String, bucket: String, prefix: String, accessKey: String, secretKey: String, authorities: String? = nil,
        allowsCleartext: Bool = false
    ) throws(Fault) {
        self.endpoint = try Self.endpoint(endpoint, allowsCleartext: allowsCleartext)
        guard !region.isEmpty, region.utf8.allSatisfy({ Self.isLower($0) || Self.isDigit($0) || $0 == 45 }) else {
            throw Fault(setting: "region", problem: "write it in small letters, digits and hyphens, as in eu-west-3")
        }
        guard (3...63).contains(bucket.utf8.count),
            bucket.utf8.allSatisfy({ Self.isLower($0) || Self.isDigit($0) || $0 == 45 || $0 == 46 }), !bucket.contains("..")
        else {
            throw Fault(setting: "bucket", problem: "a bucket's name has 3 to 63 small letters, digits, hyphens and dots")
        }
        let folders = prefix.split(separator: "/").map(String.init)
        guard prefix.utf8.count <= 200,
            folders.allSatisfy({ $0 != "." && $0 != ".." && $0.utf8.allSatisfy(Self.isPlain) })
        else {
            throw Fault(setting: "prefix", problem: "use letters, digits, -, _ and . between slashes, 200 at most")
        }
        for (name, key) in [("accessKey", accessKey), ("secretKey", secretKey)] {
            guard !key.isEmpty, key.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
                throw Fault(setting: name, problem: "it is empty, or has a character that no key has")
            }
        }
        self.region = region
        self.bucket = bucket
        self.prefix = folders.map { $0 + "/" }.joined()
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.authorities = authorities
    }

    private static func endpoint(_ text: String, allowsCleartext: Bool) throws(Fault) -> String {
        let scheme = text.prefix { $0 != ":" }
        guard scheme == "https" || scheme == "http", text.dropFirst(scheme.count).hasPrefix("://"),
            text.utf8.allSatisfy({ isPlain($0) || "/:[]".utf8.contains($0) })
        else {
            throw Fault(setting: "endpoint", problem: "write an address without user, query or bucket, as in https://s3.example.org")
        }
        let authority = text.dropFirst(scheme.count + 3).prefix { $0 != "/" }
        let host = authority.hasPrefix("[") ? authority.prefix { $0 != "]" }.dropFirst() : authority.prefix { $0 != ":" }
        guard !host.isEmpty else { throw Fault(setting: "endpoint", problem: "it names no host") }
        guard scheme == "https" || allowsCleartext || isLoopback(host) else {
            throw Fault(
                setting: "endpoint",
                problem: "photos and signatures would travel in the clear: use https, or allow it with media.s3.allowCleartext")
        }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    private static func isLoopback(_ host: Substring) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return host == "localhost" || host == "::1" || parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private static func isLower(_ byte: UInt8) -> Bool { (97...122).contains(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
    /// What stands in a URL's path as it is.
    private static func isPlain(_ byte: UInt8) -> Bool {
        isLower(byte) || isDigit(byte) || (65...90).contains(byte) || "-_.~".utf8.contains(byte)
    }

    public var description: String { "bucket \(bucket) at \(endpoint)" }
    public var customMirror: Mirror { Mirror(self, children: ["endpoint": endpoint, "bucket": bucket, "prefix": prefix]) }

    var signature: AWSSignature { AWSSignature(region: region, service: "s3", accessKey: accessKey, secretKey: secretKey) }
}
