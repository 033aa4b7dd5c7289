/// The unguessable part of a photo's address: 128 random bits as 32 hexadecimal digits.
public struct PhotoToken: Sendable, Hashable {
    public let text: String

    /// A new one, from the system's secure generator.
    public init() {
        var generator = SystemRandomNumberGenerator()
        text = (0..<2).map { _ in
            let digits = String(generator.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// - Returns: nil for anything but 32 lower-case hexadecimal digits.
    public init?(parsing text: some StringProtocol) {
        guard text.utf8.count == 32, text.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else { return nil }
        self.text = String(text)
    }

    /// Of the cleaned photo, below the installation's root.
    public var path: String { "/media/\(text).jpg" }
    /// Of the thumbnail.
    public var smallPath: String { "/media/\(text)-small.jpg" }
}

/// A photograph that came with a submission and is safely stored as it came; shown to nobody yet.
public struct SubmittedPhoto: Sendable, Equatable {
    public let token: PhotoToken
    public let type: PhotoType
    /// Of the file as it was sent.
    public let bytes: Int
    /// SHA-256 of the file as it was sent, 32 bytes.
    public let sha256: [UInt8]
    public let metadata: PhotoMetadata

    public init(token: PhotoToken, type: PhotoType, bytes: Int, sha256: [UInt8], metadata: PhotoMetadata) {
        self.token = token
        self.type = type
        self.bytes = bytes
        self.sha256 = sha256
        self.metadata = metadata
    }
}

/// A link that a citizen gave and that the tenant has copied: the copy's address is chosen beforehand.
public struct CopiedLink: Sendable, Equatable {
    public let token: PhotoToken
    public let url: String

    public init(token: PhotoToken, url: String) {
        self.token = token
        self.url = url
    }
}

/// What became of a photo, as the CRM is told.
public struct SettledPhoto: Sendable, Equatable {
    public enum Verdict: Sendable, Equatable {
        /// The public copy: JPEG, upright, without metadata.
        case ready(sha256: [UInt8], bytes: Int, width: Int, height: Int)
        /// A code that names what was wrong with the file.
        case refused(reason: String)
        /// Shown no more, at the word of an operator.
        case revoked
    }

    public let token: PhotoToken
    /// What the camera wrote.
    public let metadata: PhotoMetadata
    public let verdict: Verdict
    /// When its address ends to answer.
    public var expiresAt: Timestamp?
    /// The address that it had before.
    public var replaced: PhotoToken?
    /// The citizen's link that it was copied from.
    public var sourceURL: String?
    /// From its request, in metres.
    public var distance: Double?

    public init(token: PhotoToken, metadata: PhotoMetadata, verdict: Verdict) {
        self.token = token
        self.metadata = metadata
        self.verdict = verdict
    }
}
