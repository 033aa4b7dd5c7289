import ArgumentParser
import Crypto
import Foundation

/// The folder that a tenant's data is exported into: only its owner enters it, and it belongs to one tenant.
struct ExportFolder {
    /// What was written, so that whoever receives it can check it.
    struct Manifest: Codable {
        struct File: Codable {
            let name: String
            let bytes: Int
            let sha256: String
        }

        var format = 1
        let tenant: String
        let name: String
        let exported_at: String
        /// The database's word for what was exported: another one means that something was added since.
        let state: String
        let counts: [String: Int]
        let files: [File]
        /// When the tenant was closed; absent until then.
        var closed_at: String?
    }

    let url: URL
    private let tenant: String

    private static let marker = ".bus311-export"

    /// Makes the folder, or takes up one that an earlier run for this tenant began.
    init(path: String, tenant: String) throws {
        url = URL(fileURLWithPath: path)
        self.tenant = tenant
        let manager = FileManager.default
        let marker = url.appendingPathComponent(Self.marker)
        if let owner = try? String(contentsOf: marker, encoding: .utf8) {
            guard owner == tenant else { throw ValidationError("\(path) holds the export of \(owner). Name another folder.") }
            return
        }
        if let found = try? manager.contentsOfDirectory(atPath: path), !found.isEmpty {
            throw ValidationError("\(path) is not empty. Name a new folder: what is exported is personal data, and stands alone.")
        }
        try manager.createDirectory(at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try manager.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
        try Data(tenant.utf8).write(to: marker)
    }

    /// Whether an earlier run began an export of this tenant there.
    static func belongs(to tenant: String, at path: String) throws -> Bool {
        (try? String(contentsOf: URL(fileURLWithPath: path).appendingPathComponent(marker), encoding: .utf8)) == tenant
    }

    var manifest: Manifest? {
        (try? Data(contentsOf: url.appendingPathComponent("manifest.json"))).flatMap { try? JSONDecoder().decode(Manifest.self, from: $0) }
    }

    func write(_ manifest: Manifest) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try (try encoder.encode(manifest) + Data("\n".utf8)).write(to: url.appendingPathComponent("manifest.json"), options: .atomic)
    }

    func lines(_ name: String) throws -> LineFile { try LineFile(at: url.appendingPathComponent(name)) }

    /// Hash and size of a file that is written; read a piece at a time.
    func describe(_ name: String) throws -> Manifest.File {
        let file = try FileHandle(forReadingFrom: url.appendingPathComponent(name))
        defer { try? file.close() }
        var hash = SHA256()
        var bytes = 0
        while let piece = try file.read(upToCount: 1_048_576), !piece.isEmpty {
            hash.update(data: piece)
            bytes += piece.count
        }
        return Manifest.File(name: name, bytes: bytes, sha256: Data(hash.finalize()).map { String(format: "%02x", $0) }.joined())
    }

    /// JSON objects, one a line. Written beside and put in place when it is whole.
    final class LineFile {
        private let url: URL
        private let handle: FileHandle
        private(set) var count = 0

        init(at url: URL) throws {
            self.url = url
            let part = url.appendingPathExtension("part")
            guard FileManager.default.createFile(atPath: part.path, contents: nil, attributes: [.posixPermissions: 0o600]),
                let handle = FileHandle(forWritingAtPath: part.path)
            else { throw ValidationError("\(part.path) cannot be made: check the folder's rights and the disk's room.") }
            self.handle = handle
        }

        func append(_ lines: [String]) throws {
            guard !lines.isEmpty else { return }
            try handle.write(contentsOf: Data((lines.joined(separator: "\n") + "\n").utf8))
            count += lines.count
        }

        func finish() throws {
            try handle.synchronize()
            try handle.close()
            guard rename(url.path + ".part", url.path) == 0 else { throw ValidationError("\(url.path) cannot be put in place.") }
        }
    }
}
