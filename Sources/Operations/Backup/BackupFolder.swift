import Crypto
import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// A folder of backups: each in a folder of its own, named by its moment; beside them the log (`wal`) and the photos (`media`) of all.
public struct BackupFolder: Sendable {
    public struct Backup: Sendable {
        /// As in `20261126T034500Z`.
        public let name: String
        public let url: URL
        /// Nil for one that was broken off.
        public let manifest: BackupManifest?

        public var database: URL { url.appendingPathComponent("database") }
        /// A line for each photo file: its path in the photos' folder, its size.
        public var mediaList: URL { url.appendingPathComponent("media.list") }
    }

    public let root: URL
    public var wal: URL { root.appendingPathComponent("wal") }
    public var media: URL { root.appendingPathComponent("media") }

    /// - Parameter makes: whether it is made when it is not there.
    public init(path: String, makes: Bool) throws(BackupFault) {
        root = URL(fileURLWithPath: path).standardizedFileURL
        var status = stat()
        if stat(root.path, &status) != 0 {
            guard makes else { throw .noFolder(path) }
            try Self.make(root)
        } else if status.st_mode & S_IFMT != S_IFDIR {
            throw .file(path: path, what: "is no folder")
        } else if status.st_mode & 0o077 != 0 {
            throw .open(path: path)
        }
    }

    /// A folder for its owner only, and its parents.
    public static func make(_ url: URL) throws(BackupFault) {
        do {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw .file(path: url.path, what: "cannot be made: \(error.localizedDescription)")
        }
    }

    /// Whether a path stays in its folder.
    static func isInside(_ path: String) -> Bool {
        !path.isEmpty && !path.hasPrefix("/")
            && !path.split(separator: "/", omittingEmptySubsequences: false).contains { $0 == ".." || $0.isEmpty }
    }

    static func isName(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        return bytes.count == 16 && bytes[8] == UInt8(ascii: "T") && bytes[15] == UInt8(ascii: "Z")
            && bytes.indices.allSatisfy { $0 == 8 || $0 == 15 || (48...57).contains(bytes[$0]) }
    }

    /// The names of the backups, the oldest first.
    public func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.path).filter(Self.isName).sorted()
    }

    /// - Throws: when there is a manifest that cannot be read; without any, the backup was broken off.
    public func backup(_ name: String) throws -> Backup {
        let url = root.appendingPathComponent(name)
        let path = url.appendingPathComponent("manifest.json").path
        guard FileManager.default.fileExists(atPath: path) else { return Backup(name: name, url: url, manifest: nil) }
        guard let data = FileManager.default.contents(atPath: path) else { throw BackupFault.file(path: path, what: "cannot be read") }
        return Backup(name: name, url: url, manifest: try BackupManifest(reading: data, at: path))
    }

    /// Every backup, the oldest first.
    public func all() throws -> [Backup] { try names().map(backup) }

    /// The backup of this name, or the newest that was finished.
    public func finished(_ name: String? = nil) throws -> (backup: Backup, manifest: BackupManifest) {
        let names = try names()
        if let name {
            guard names.contains(name) else { throw BackupFault.unknown(name, in: root.path) }
            let backup = try backup(name)
            guard let manifest = backup.manifest else { throw BackupFault.unfinished(backup.url.path) }
            return (backup, manifest)
        }
        // One by one: a damaged one is in the way of none that is newer.
        for name in names.reversed() {
            let backup = try backup(name)
            if let manifest = backup.manifest { return (backup, manifest) }
        }
        throw BackupFault.none(in: root.path)
    }

    /// A new backup's folder, named for the first second from this one on that has none.
    public func begin(at moment: Date) throws -> Backup {
        var second = moment
        while FileManager.default.fileExists(atPath: root.appendingPathComponent(Self.name(of: second)).path) {
            second += 1
        }
        let name = Self.name(of: second)
        let url = root.appendingPathComponent(name)
        try Self.make(url)
        return Backup(name: name, url: url, manifest: nil)
    }

    static func name(of moment: Date) -> String {
        let text = ISO8601DateFormatter().string(from: moment)
        return text.filter { $0 != "-" && $0 != ":" }
    }

    // MARK: Files

    /// Its size and hash, read in pieces.
    public static func describe(_ path: String, in folder: URL) throws -> BackupManifest.File {
        let url = folder.appendingPathComponent(path)
        let file: FileHandle
        do { file = try FileHandle(forReadingFrom: url) } catch { throw BackupFault.missing(path: url.path) }
        defer { try? file.close() }
        var hash = SHA256()
        var bytes: Int64 = 0
        while let some = try file.read(upToCount: 1_048_576), !some.isEmpty {
            hash.update(data: some)
            bytes += Int64(some.count)
        }
        return BackupManifest.File(path: path, bytes: bytes, sha256: hash.finalize().map { String(format: "%02x", $0) }.joined())
    }

    /// Writes a file that only its owner reads, on disk before it has its name.
    public static func write(_ data: Data, to url: URL) throws(BackupFault) {
        let new = url.path + ".new"
        unlink(new)
        let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .file(path: new, what: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var rest = Array(data)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw .file(path: new, what: String(cString: strerror(errno))) }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0, rename(new, url.path) == 0 else {
            throw .file(path: url.path, what: String(cString: strerror(errno)))
        }
    }

    /// Of all files below a folder, in bytes.
    public static func size(of folder: URL) -> Int64 {
        var bytes: Int64 = 0
        let walk = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: [.fileSizeKey])
        while let file = walk?.nextObject() as? URL {
            bytes += Int64((try? file.resourceValues(forKeys: [.fileSizeKey]))?.fileSize ?? 0)
        }
        return bytes
    }
}
