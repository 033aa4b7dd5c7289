import Foundation
import Operations
import PrivateServers
import Storage

/// Compares what lies in a backup folder with what was written.
struct BackupVerification {
    let folder: BackupFolder

    init(_ folder: BackupFolder) { self.folder = folder }

    struct Outcome: Encodable {
        let backup: String
        let files: Int
        let photos: Int
        /// Nil when the log has no gap, or when there is none.
        let log_gap: String?
        /// Nil when every whole file of the log up to a gap could be read; else what its reader said, and where.
        let log_damage: String?
        let log: WALFolder.Reach?

        /// Why a restore cannot go as far as the log has files; nil when it can.
        var obstacle: String? {
            if let log_damage { return "The log cannot be read to its end: \(log_damage). A restore ends there." }
            return log_gap.map { "The log has a gap \($0): a restore reaches that moment, and no later one." }
        }
    }

    /// - Parameter readsLog: false where the log does not matter.
    /// - Throws: ``BackupFault``, or what pg_verifybackup said.
    func whole(
        _ backup: BackupFolder.Backup, _ manifest: BackupManifest, readsLog: Bool = true, progress: (String) -> Void
    ) async throws -> Outcome {
        for file in manifest.files { try Self.compare(file, in: backup.url) }
        progress("comparing the database with its hashes")
        try await database(backup, manifest)
        let photos = manifest.media == nil ? 0 : try self.photos(backup, progress)
        let wal = WALFolder(folder.wal)
        let reach = try wal.reach()
        if readsLog { progress("reading the log") }
        return Outcome(
            backup: backup.name, files: manifest.files.count, photos: photos,
            log_gap: reach.flatMap { _ in wal.gap(after: manifest.database.walEnd, segmentBytes: manifest.database.segmentBytes) },
            log_damage: readsLog ? try await damage(wal, manifest.database) : nil, log: reach)
    }

    /// Each record has its own checksum: PostgreSQL's reader goes through all of them.
    ///
    /// - Returns: what it stumbled over; nil when it came to the end of the last whole file.
    private func damage(_ wal: WALFolder, _ database: BackupManifest.Database) async throws -> String? {
        guard let stretch = wal.stretch(after: database.walEnd, segmentBytes: database.segmentBytes) else { return nil }
        let programs = try PostgresPrograms.of(major: database.majorVersion, having: ["pg_waldump"])
        let log = folder.root.appendingPathComponent("verify-log.log")
        try? FileManager.default.removeItem(at: log)
        defer { try? FileManager.default.removeItem(at: log) }
        do {
            _ = try await programs.run(
                "pg_waldump",
                [
                    "--quiet", "--path=\(folder.wal.path)", "--timeline=\(stretch.timeline)", "--start=\(stretch.start)",
                    "--end=\(stretch.end)",
                ], log: log)
            return nil
        } catch PrivateServerError.commandFailed(_, _, let output) {
            // The last record may go on in a file that is still to come.
            if output.contains("could not find file \"\(stretch.next)\"") { return nil }
            let said = output.split(whereSeparator: \.isNewline).last.map(String.init) ?? ""
            return said.replacing("pg_waldump: error: ", with: "")
        }
    }

    private static func compare(_ file: BackupManifest.File, in folder: URL) throws {
        guard try BackupFolder.describe(file.path, in: folder) == file else {
            throw BackupFault.changed(path: folder.appendingPathComponent(file.path).path)
        }
    }

    /// Every file of the copy, and that its part of the log can be read.
    func database(_ backup: BackupFolder.Backup, _ manifest: BackupManifest) async throws {
        let programs = try PostgresPrograms.of(major: manifest.database.majorVersion, having: ["pg_verifybackup", "pg_waldump"])
        let log = folder.root.appendingPathComponent("verify-\(backup.name).log")
        try? FileManager.default.removeItem(at: log)
        _ = try await programs.run("pg_verifybackup", ["--quiet", "--exit-on-error", backup.database.path], log: log)
        try? FileManager.default.removeItem(at: log)
    }

    /// Every file of the list is there and whole; a cleaned one is named by its hash.
    ///
    /// - Returns: how many.
    private func photos(_ backup: BackupFolder.Backup, _ progress: (String) -> Void) throws -> Int {
        var count = 0
        try Self.list(of: backup) { key, size in
            let file = try BackupFolder.describe(key.path, in: folder.media)
            guard file.bytes == size, key.kind == .original || file.sha256 == key.name else {
                throw BackupFault.changed(path: folder.media.appendingPathComponent(key.path).path)
            }
            count += 1
            if count.isMultiple(of: 100) { progress("\(count) photo files compared") }
        }
        return count
    }

    /// Reads the list of a backup's photo files.
    static func list(of backup: BackupFolder.Backup, _ each: (MediaKey, Int64) throws -> Void) throws {
        guard let data = FileManager.default.contents(atPath: backup.mediaList.path) else {
            throw BackupFault.missing(path: backup.mediaList.path)
        }
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: " ")
            guard parts.count == 2, let key = MediaKey(path: String(parts[0])), let size = Int64(parts[1]) else {
                throw BackupFault.unreadable(path: backup.mediaList.path)
            }
            try each(key, size)
        }
    }
}
