import Open311

#if canImport(Glibc)
    import Glibc
#endif

/// Where photographs are kept. Two kinds: ``MediaFolder``, a folder on this machine, and an S3-compatible service. Both promise the same:
///
/// - A file that is there is whole, and a file that was kept survives a power cut.
/// - A file is received on this machine's disk first, and belongs to nobody until it is kept.
/// - No file is shared between tenants: the same bytes are stored once for each.
/// - Keeping a file under a key that is there replaces it, and makes it as young as a new one.
public protocol MediaStore: Sendable {
    // MARK: Receiving

    /// A new file on this machine's disk that nobody sees until it is kept.
    func makeIncoming() async throws(MediaError) -> IncomingFile

    /// Puts a received file in place. It is gone from where it was received then.
    ///
    /// - Parameter sha256: of its bytes, which whoever wrote them knows.
    func keep(_ file: IncomingFile, sha256: [UInt8], as key: MediaKey) async throws(MediaError)

    /// Puts a file of another program in place; it must stand in a ``workFolder()``.
    func keep(fileAt path: String, sha256: [UInt8], as key: MediaKey) async throws(MediaError)

    // MARK: Working

    /// A new empty folder for one piece of work; its owner removes it.
    func workFolder() async throws(MediaError) -> String

    func remove(workFolder path: String) async

    /// A stored file for a program that reads: the file itself, not to be written to, or a copy of it in `folder`.
    ///
    /// - Returns: its path.
    func localCopy(of key: MediaKey, in folder: String) async throws(MediaError) -> String

    /// Whether a photo's copies fit on this machine's disk: 64 MiB at least.
    var hasRoom: Bool { get }

    // MARK: Serving

    /// A part of a stored file.
    ///
    /// - Parameter range: in bytes; shortened to what is there.
    func read(_ key: MediaKey, _ range: Range<Int>) async throws(MediaError) -> [UInt8]

    /// How much to ask of ``read(_:_:)`` at once, in bytes: what one answer holds in memory.
    var readBytes: Int { get }

    /// Bytes of a stored file; nil when it is not there.
    func size(of key: MediaKey) async throws(MediaError) -> Int?

    // MARK: Removing

    /// Removes a file; harmless when it is not there.
    func remove(_ key: MediaKey) async throws(MediaError)

    /// Tenants that have files.
    func tenants() async throws(MediaError) -> [TenantKey]

    /// Names of one tenant's files of one kind that are older than `age`, a page at a time.
    ///
    /// - Parameter after: ``MediaPage/next`` of the page before; nil for the first.
    func page(of kind: MediaKey.Kind, tenant: TenantKey, olderThan age: Duration, after: String?) async throws(MediaError) -> MediaPage

    /// Removes what a killed process left half-received, when it is older than `age`: no request waits that long.
    ///
    /// - Returns: how many.
    func sweepIncoming(olderThan age: Duration) async throws(MediaError) -> Int

    /// Ends connections, if there are any.
    func close() async
}

/// Some of a store's files.
public struct MediaPage: Sendable, Equatable {
    public let names: [String]
    /// Where the next page begins; nil after the last.
    public let next: String?

    public init(names: [String], next: String?) {
        self.names = names
        self.next = next
    }
}

/// Why the media store could not do what was asked. Never names a file or a person.
public enum MediaError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The disk, or the tenant's share of it, has no room.
    case full
    case missing
    /// The system's error number.
    case failed(Int32)
    /// The S3 service said no: its status and its code.
    case refused(status: Int, code: String)
    /// The S3 service did not answer, or not in its language: why, as its client tells it.
    case unreachable(String)

    init(errno number: Int32) {
        switch number {
        case ENOSPC, EDQUOT: self = .full
        case ENOENT: self = .missing
        default: self = .failed(number)
        }
    }

    public var description: String {
        switch self {
        case .full: "the media store is full: make room, or give it another disk"
        case .missing: "the file is not in the media store"
        case .failed(let number): "the media store failed: \(String(cString: strerror(number)))"
        case .refused(let status, let code): "the S3 service refused: \(status) \(code). \(Self.advice(code))"
        case .unreachable(let detail): "the S3 service cannot be reached: \(detail)"
        }
    }
}

extension MediaError {
    private static func advice(_ code: String) -> String {
        switch code {
        case "SignatureDoesNotMatch", "InvalidAccessKeyId": "Check media.s3.accessKey, media.s3.secretKey and media.s3.region."
        case "RequestTimeTooSkewed": "Set this machine's clock."
        case "AccessDenied": "Give the key the rights of docs/operators/media-storage.md."
        case "NoSuchBucket": "Make the bucket, or check media.s3.bucket."
        case "PermanentRedirect", "AuthorizationHeaderMalformed": "Check media.s3.region and media.s3.endpoint."
        default: "See docs/operators/media-storage.md."
        }
    }
}

/// Where one file of a tenant stands. No tenant's file is ever another's: the same bytes are stored once for each.
public struct MediaKey: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable {
        /// As it was sent, named by its token; gone once it is cleaned.
        case original
        /// Cleaned, named by the hash of its bytes.
        case cleaned
    }

    public let tenant: TenantKey
    public let kind: Kind
    public let name: String

    public init(tenant: TenantKey, kind: Kind, name: String) {
        self.tenant = tenant
        self.kind = kind
        self.name = name
    }

    /// Whether we could have given this name; a store may hold what others put there.
    static func isName(_ name: some StringProtocol, of kind: Kind) -> Bool {
        name.utf8.count == (kind == .original ? 32 : 64) && name.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    /// The same for whoever reads names from a file.
    public static func isStoredName(_ name: String, of kind: Kind) -> Bool { isName(name, of: kind) }

    public static func original(_ token: PhotoToken, of tenant: TenantKey) -> MediaKey {
        MediaKey(tenant: tenant, kind: .original, name: token.text)
    }

    /// - Parameter sha256: 32 bytes.
    public static func cleaned(_ sha256: [UInt8], of tenant: TenantKey) -> MediaKey {
        MediaKey(tenant: tenant, kind: .cleaned, name: sha256.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined())
    }
}
