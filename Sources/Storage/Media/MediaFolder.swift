import Crypto
import Dispatch
import Foundation
import NIOConcurrencyHelpers
import Open311

#if canImport(Glibc)
    import Glibc
#endif

/// Why the media store could not do what was asked. Never names a file or a person.
public enum MediaError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The disk, or the tenant's share of it, has no room.
    case full
    case missing
    /// The system's error number.
    case failed(Int32)

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

    public static func original(_ token: PhotoToken, of tenant: TenantKey) -> MediaKey {
        MediaKey(tenant: tenant, kind: .original, name: token.text)
    }

    /// - Parameter sha256: 32 bytes.
    public static func cleaned(_ sha256: [UInt8], of tenant: TenantKey) -> MediaKey {
        MediaKey(tenant: tenant, kind: .cleaned, name: sha256.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined())
    }

    /// Below the store's root.
    var path: String { "\(tenant.rawValue)/\(kind.rawValue)/\(name.prefix(2))/\(name)" }
}

/// Photographs on disk: written beside, synced, then put in place under their name, so that a file that is there is whole.
public final class MediaFolder: Sendable {
    private let root: String
    /// A few, one after the other each: a thread for every upload would keep memory for every upload.
    private static let workers = (0..<8).map { DispatchQueue(label: "org.bus311.media.\($0)") }
    private static let turn = NIOLockedValueBox(0)

    /// Makes the folder, readable for this account only.
    ///
    /// - Throws: ``MediaError``.
    public init(path: String) throws(MediaError) {
        root = path
        try Self.makeFolder(path + "/incoming")
    }

    /// Runs what may wait for a disk away from the threads that everybody shares.
    static func offCooperativePool<Value: Sendable>(
        _ work: @escaping @Sendable () throws(MediaError) -> Value
    ) async throws(MediaError) -> Value {
        let outcome = await withCheckedContinuation { (continuation: CheckedContinuation<Result<Value, MediaError>, Never>) in
            let turn = turn.withLockedValue { turn in
                turn = (turn + 1) % workers.count
                return turn
            }
            workers[turn].async { continuation.resume(returning: Result { () throws(MediaError) in try work() }) }
        }
        return try outcome.get()
    }

    /// A new file that nobody sees until it is kept.
    public func makeIncoming() async throws(MediaError) -> IncomingFile {
        let folder = root + "/incoming"
        return try await Self.offCooperativePool { () throws(MediaError) in try IncomingFile(in: folder) }
    }

    /// Puts a file in place, synced with its folder: after this it survives a power cut.
    public func keep(_ file: IncomingFile, as key: MediaKey) async throws(MediaError) {
        let target = root + "/" + key.path
        try await Self.offCooperativePool { () throws(MediaError) in
            try file.sync()
            let folder = String(target[..<(target.lastIndex(of: "/") ?? target.startIndex)])
            try Self.makeFolder(folder)
            guard rename(file.path, target) == 0 else { throw MediaError(errno: errno) }
            try Self.syncFolder(folder)
        }
    }

    /// Puts a file of another program in place; it must be on the same file system as the store, as ``workFolder()`` is.
    public func keep(fileAt path: String, as key: MediaKey) async throws(MediaError) {
        try await keep(try await Self.offCooperativePool { () throws(MediaError) in try IncomingFile(existing: path) }, as: key)
    }

    /// A new empty folder for one piece of work; its owner removes it.
    public func workFolder() async throws(MediaError) -> String {
        let path = root + "/incoming/work-" + PhotoToken().text
        try await Self.offCooperativePool { () throws(MediaError) in try Self.makeFolder(path) }
        return path
    }

    public func remove(workFolder path: String) async {
        _ = try? await Self.offCooperativePool { () throws(MediaError) in try? FileManager.default.removeItem(atPath: path) }
    }

    /// Where a stored file can be read.
    public func path(of key: MediaKey) -> String { root + "/" + key.path }

    public func remove(_ key: MediaKey) async throws(MediaError) {
        let path = path(of: key)
        try await Self.offCooperativePool { () throws(MediaError) in
            guard unlink(path) == 0 || errno == ENOENT else { throw MediaError(errno: errno) }
        }
    }

    /// Whether a photo's copies fit: 64 MiB at least.
    public var hasRoom: Bool {
        let free = try? FileManager.default.attributesOfFileSystem(forPath: root)[.systemFreeSize] as? NSNumber
        return (free?.int64Value ?? 0) > 67_108_864
    }

    /// A part of a stored file.
    ///
    /// - Parameter range: in bytes; shortened to what is there.
    public func read(_ key: MediaKey, _ range: Range<Int>) async throws(MediaError) -> [UInt8] {
        let path = path(of: key)
        return try await Self.offCooperativePool { () throws(MediaError) in
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw MediaError(errno: errno) }
            defer { close(descriptor) }
            var failure: Int32 = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
                while count < range.count {
                    let got = pread(
                        descriptor, buffer.baseAddress.map { $0 + count }, range.count - count, off_t(range.lowerBound + count))
                    if got < 0, errno == EINTR { continue }
                    if got < 0 { failure = errno }
                    if got <= 0 { break }
                    count += got
                }
            }
            guard failure == 0 else { throw MediaError(errno: failure) }
            return bytes
        }
    }

    /// Names of one tenant's files of one kind that are older than `age`; what is `incoming` and that old is removed at once,
    /// because no request waits so long.
    public func names(of kind: MediaKey.Kind, tenant: TenantKey, olderThan age: Duration) async throws(MediaError) -> [String] {
        let folder = "\(root)/\(tenant.rawValue)/\(kind.rawValue)"
        return try await Self.offCooperativePool { () throws(MediaError) in
            let limit = Date().addingTimeInterval(-(age / .seconds(1)))
            let manager = FileManager.default
            return ((try? manager.contentsOfDirectory(atPath: folder)) ?? []).flatMap { shelf in
                ((try? manager.contentsOfDirectory(atPath: "\(folder)/\(shelf)")) ?? []).filter { name in
                    Self.modified("\(folder)/\(shelf)/\(name)").map { $0 < limit } ?? false
                }
            }
        }
    }

    /// Removes what a killed process left half-received.
    public func sweepIncoming(olderThan age: Duration) async throws(MediaError) -> Int {
        let folder = root + "/incoming"
        return try await Self.offCooperativePool { () throws(MediaError) in
            let limit = Date().addingTimeInterval(-(age / .seconds(1)))
            let left = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { name in
                Self.modified("\(folder)/\(name)").map { $0 < limit } ?? false
            }
            for name in left { try? FileManager.default.removeItem(atPath: "\(folder)/\(name)") }
            return left.count
        }
    }

    /// Tenants that have files.
    public func tenants() async throws(MediaError) -> [TenantKey] {
        let root = self.root
        return try await Self.offCooperativePool { () throws(MediaError) in
            ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).compactMap { try? TenantKey(validating: $0) }
        }
    }

    private static func modified(_ path: String) -> Date? {
        (try? FileManager.default.attributesOfItem(atPath: path))?[.modificationDate] as? Date
    }

    private static func makeFolder(_ path: String) throws(MediaError) {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue { return }
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch let error as CocoaError where error.code == .fileWriteOutOfSpace {
            throw .full
        } catch {
            throw .failed(EACCES)
        }
        if let end = path.lastIndex(of: "/") { try syncFolder(String(path[..<end])) }
    }

    private static func syncFolder(_ path: String) throws(MediaError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw MediaError(errno: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw MediaError(errno: errno) }
    }
}
