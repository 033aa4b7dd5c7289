import Dispatch
import Foundation
import NIOConcurrencyHelpers
import Open311

#if canImport(Glibc)
    import Glibc
#endif

/// Photographs on disk: written beside, synced, then put in place under their name, so that a file that is there is whole.
public final class MediaFolder: MediaStore {
    let root: String
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

    public func makeIncoming() async throws(MediaError) -> IncomingFile {
        let folder = root + "/incoming"
        return try await Self.offCooperativePool { () throws(MediaError) in try IncomingFile(in: folder) }
    }

    public func keep(_ file: IncomingFile, sha256 _: [UInt8], as key: MediaKey) async throws(MediaError) {
        let target = path(of: key)
        try await Self.offCooperativePool { () throws(MediaError) in
            try file.sync()
            let folder = String(target[..<(target.lastIndex(of: "/") ?? target.startIndex)])
            try Self.makeFolder(folder)
            guard rename(file.path, target) == 0 else { throw MediaError(errno: errno) }
            try Self.syncFolder(folder)
        }
    }

    /// - Parameter path: on the same file system as the store, as ``workFolder()`` is.
    public func keep(fileAt path: String, sha256: [UInt8], as key: MediaKey) async throws(MediaError) {
        let file = try await Self.offCooperativePool { () throws(MediaError) in try IncomingFile(existing: path) }
        try await keep(file, sha256: sha256, as: key)
    }

    public func workFolder() async throws(MediaError) -> String {
        let path = root + "/incoming/work-" + PhotoToken().text
        try await Self.offCooperativePool { () throws(MediaError) in try Self.makeFolder(path) }
        return path
    }

    public func remove(workFolder path: String) async {
        _ = try? await Self.offCooperativePool { () throws(MediaError) in try? FileManager.default.removeItem(atPath: path) }
    }

    /// In shelves by the first two letters, so that no folder grows too long.
    func path(of key: MediaKey) -> String { "\(root)/\(key.tenant.rawValue)/\(key.kind.rawValue)/\(key.name.prefix(2))/\(key.name)" }

    public func localCopy(of key: MediaKey, in _: String) async throws(MediaError) -> String {
        let path = path(of: key)
        return try await Self.offCooperativePool { () throws(MediaError) in
            guard access(path, R_OK) == 0 else { throw MediaError(errno: errno) }
            return path
        }
    }

    public func remove(_ key: MediaKey) async throws(MediaError) {
        let path = path(of: key)
        try await Self.offCooperativePool { () throws(MediaError) in
            guard unlink(path) == 0 || errno == ENOENT else { throw MediaError(errno: errno) }
        }
    }

    public var hasRoom: Bool {
        let free = try? FileManager.default.attributesOfFileSystem(forPath: root)[.systemFreeSize] as? NSNumber
        return (free?.int64Value ?? 0) > 67_108_864
    }

    public var readBytes: Int { 131_072 }

    public func size(of key: MediaKey) async throws(MediaError) -> Int? {
        let path = path(of: key)
        return try await Self.offCooperativePool { () throws(MediaError) in
            var status = stat()
            guard stat(path, &status) == 0 else {
                guard errno == ENOENT else { throw MediaError(errno: errno) }
                return nil
            }
            return Int(status.st_size)
        }
    }

    public func read(_ key: MediaKey, _ range: Range<Int>) async throws(MediaError) -> [UInt8] {
        let path = path(of: key)
        return try await Self.offCooperativePool { () throws(MediaError) in
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw MediaError(errno: errno) }
            defer { Glibc.close(descriptor) }
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

    /// A page is a shelf.
    public func page(
        of kind: MediaKey.Kind, tenant: TenantKey, olderThan age: Duration, after: String?
    ) async throws(MediaError) -> MediaPage {
        let folder = "\(root)/\(tenant.rawValue)/\(kind.rawValue)"
        return try await Self.offCooperativePool { () throws(MediaError) in
            let limit = Date().addingTimeInterval(-(age / .seconds(1)))
            let shelves = try Self.entries(of: folder).filter { $0 > after ?? "" }.sorted()
            guard let shelf = shelves.first else { return MediaPage(names: [], next: nil) }
            let names = try Self.entries(of: "\(folder)/\(shelf)").filter { name in
                MediaKey.isName(name, of: kind) && (Self.modified("\(folder)/\(shelf)/\(name)").map { $0 <= limit } ?? false)
            }
            return MediaPage(names: names, next: shelves.count > 1 ? shelf : nil)
        }
    }

    public func sweepIncoming(olderThan age: Duration) async throws(MediaError) -> Int {
        let folder = root + "/incoming"
        return try await Self.offCooperativePool { () throws(MediaError) in
            let limit = Date().addingTimeInterval(-(age / .seconds(1)))
            let left = try Self.entries(of: folder).filter { name in
                Self.modified("\(folder)/\(name)").map { $0 <= limit } ?? false
            }
            for name in left { try? FileManager.default.removeItem(atPath: "\(folder)/\(name)") }
            return left.count
        }
    }

    public func tenants() async throws(MediaError) -> [TenantKey] {
        let root = self.root
        return try await Self.offCooperativePool { () throws(MediaError) in
            try Self.entries(of: root).compactMap { try? TenantKey(validating: $0) }
        }
    }

    public func close() async {}

    /// Nothing of a folder that is not there; an error where it cannot be read, lest a sweep pass over it without a word.
    static func entries(of folder: String) throws(MediaError) -> [String] {
        do { return try FileManager.default.contentsOfDirectory(atPath: folder) } catch {
            guard access(folder, F_OK) == 0 else { return [] }
            throw .failed(EACCES)
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
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw MediaError(errno: errno) }
    }
}
