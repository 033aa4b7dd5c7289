import ArgumentParser
import Bus
import Curl
import Foundation
import Open311
import Operations
import PrivateServers
import Storage

struct BackupRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Make a backup that can be restored by itself.",
        discussion: """
            Photos are copied before the database and again behind it: a photo's file comes before its row and goes after it. Files that \
            the folder has are not copied again. Examples:
              bus311 backup run --to /srv/backup
              bus311 backup run --to /srv/backup --max-rate 20 --format json
            """)
    @OptionGroup var common: CommonOptions
    @Option(help: "The backup folder; made for its owner only.") var to: String
    @Option(help: "Megabytes a second that are read from the database's disk; without it, as fast as it goes.") var maxRate: Int?
    @Flag(help: "Do not read the copy again to compare it with its hashes; bus311 backup verify does it later.") var skipVerify = false

    struct View: Encodable {
        let name: String
        let path: String
        let database_bytes: Int64
        let photos: Int?
        let photos_copied: Int?
        let broker: Bool
        let wal_end: String
        let seconds: Double
    }

    func validate() throws {
        if let maxRate, !(1...1024).contains(maxRate) { throw ValidationError("--max-rate must be 1 to 1024.") }
    }

    func run() async throws { try await common.audited { try await work() } }

    private func work() async throws {
        let settings = try await common.settings()
        let source = try settings.backupSource
        let folder = try BackupFolder(path: to, makes: true)
        let lock = try FolderLock(folder.root)
        defer { withExtendedLifetime(lock) {} }
        try await WALHistory(
            of: folder.wal, programs: try PostgresPrograms.newest(having: ["psql"]), environment: source.environment,
            log: folder.root.appendingPathComponent("identify-run.log")
        ).check()
        let moment = Date()
        let backup = try folder.begin(at: moment)
        let clock = ContinuousClock.now
        let made: Made
        do {
            made = try await make(backup, in: folder, settings, source, from: moment)
        } catch {
            try? FileManager.default.removeItem(at: backup.url)
            throw error
        }
        try await record(made.manifest, from: moment, settings)
        BackupCommand.tell("")
        let seconds = clock.duration(to: .now) / .milliseconds(1) / 1_000
        let manifest = made.manifest
        try common.show(
            text: "Backup \(manifest.name): database \(BackupCommand.size(manifest.database.bytes))"
                + (manifest.media.map { ", \($0.files) photo files (\(made.copied) new)" } ?? "")
                + ", \(String(format: "%.1f", seconds)) s. It lies in \(backup.url.path)",
            json: View(
                name: manifest.name, path: backup.url.path, database_bytes: manifest.database.bytes, photos: manifest.media?.files,
                photos_copied: manifest.media.map { _ in made.copied }, broker: made.hasBroker, wal_end: manifest.database.walEnd,
                seconds: seconds))
    }

    private struct Made {
        let manifest: BackupManifest
        let copied: Int
        let hasBroker: Bool
    }

    private func make(
        _ backup: BackupFolder.Backup, in folder: BackupFolder, _ settings: Settings,
        _ source: (environment: [String: String], database: String),
        from moment: Date
    ) async throws -> Made {
        let media = try settings.media
        var copied = 0
        do {
            // An original that is cleaned before the second look goes from the store, and its row in this copy still needs it.
            var early: [MediaKey: Int] = [:]
            if let media { copied += try await photos(media, folder) { if $0.kind == .original { early[$0] = $1 } } }
            try await database(backup, source.environment)
            var kept: BackupManifest.Media?
            if let media {
                let list = MediaList(backup.mediaList)
                copied += try await photos(media, folder) {
                    try list.add($0, $1)
                    early[$0] = nil
                }
                for (key, size) in early { try list.add(key, size) }
                kept = try list.finish()
            }
            await media?.close()
            try BackupFolder.write(try settings.plain().file, to: backup.url.appendingPathComponent("settings.json"))
            let hasBroker = try await broker(backup, settings)
            let manifest = try await manifest(of: backup, source.database, kept, from: moment, hasBroker: hasBroker)
            if !skipVerify {
                BackupCommand.tell("comparing the copy with its hashes")
                try await BackupVerification(folder).database(backup, manifest)
            }
            try BackupFolder.write(try manifest.data(), to: backup.url.appendingPathComponent("manifest.json"))
            return Made(manifest: manifest, copied: copied, hasBroker: hasBroker)
        } catch {
            await media?.close()
            throw error
        }
    }

    /// - Returns: how many files were copied.
    private func photos(_ media: any MediaStore, _ folder: BackupFolder, _ each: (MediaKey, Int) throws -> Void) async throws -> Int {
        let mirror = try MediaFolder(path: folder.media.path)
        let outcome = try await MediaCopy(from: media, to: mirror).run(each: each) {
            BackupCommand.tell("\($0.files) photo files, \($0.copied) copied")
        }
        if !outcome.damaged.isEmpty {
            BackupCommand.warn(
                "\(outcome.damaged.count) photos are damaged in the store and were not copied: \(outcome.damaged.prefix(5).map(\.path).joined(separator: ", "))"
            )
        }
        return outcome.copied
    }

    private func database(_ backup: BackupFolder.Backup, _ environment: [String: String]) async throws {
        let programs = try PostgresPrograms.newest(having: ["pg_basebackup"])
        var arguments = [
            "--pgdata=\(backup.database.path)", "--format=plain", "--wal-method=stream", "--manifest-checksums=SHA256", "--progress",
            "--no-password", "--label=bus311 \(backup.name)", "--checkpoint=\(maxRate == nil ? "fast" : "spread")",
        ]
        if let maxRate { arguments.append("--max-rate=\(maxRate)M") }
        let log = backup.url.appendingPathComponent("pg_basebackup.log")
        _ = try await programs.run("pg_basebackup", arguments, environment: environment, log: log) { BackupCommand.tell("database: \($0)") }
        try? FileManager.default.removeItem(at: log)
    }

    /// The queues' messages are not copied: what was not consumed is published again from the database.
    private func broker(_ backup: BackupFolder.Backup, _ settings: Settings) async throws -> Bool {
        guard let url = try? settings.managementURL, let password = try? settings.provisionerPassword else { return false }
        let broker = BrokerAdministration(
            client: try HTTPClient(name: "bus311-backup"), baseURL: url,
            credentials: BasicAuthentication(user: settings.provisionerUser, password: password))
        do {
            try BackupFolder.write(try await broker.tenantUsers(), to: backup.url.appendingPathComponent("broker.json"))
            return true
        } catch let error as BrokerAdministrationError {
            BackupCommand.warn(
                "The tenants' broker users are not in this backup (\(error)): after a loss of the broker, each CRM would need a new password."
            )
            return false
        }
    }

    private func manifest(
        of backup: BackupFolder.Backup, _ database: String, _ media: BackupManifest.Media?, from moment: Date, hasBroker: Bool
    ) async throws -> BackupManifest {
        let path = backup.database.appendingPathComponent("backup_manifest").path
        guard let found = FileManager.default.contents(atPath: path) else { throw BackupFault.missing(path: path) }
        let range = try WALRange(reading: found, at: path)
        let version = try? String(contentsOf: backup.database.appendingPathComponent("PG_VERSION"), encoding: .utf8)
        guard let version, let major = Int(version.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw BackupFault.unreadable(path: backup.database.appendingPathComponent("PG_VERSION").path)
        }
        let log = backup.url.appendingPathComponent("control.log")
        let control = try await PostgresPrograms.of(major: major, having: ["pg_controldata"]).control(of: backup.database, log: log)
        try? FileManager.default.removeItem(at: log)
        guard let system = control["Database system identifier"], let segment = control["Bytes per WAL segment"].flatMap({ Int($0) }) else {
            throw BackupFault.unreadable(path: backup.database.appendingPathComponent("global/pg_control").path)
        }
        let parts =
            ["database/backup_manifest", "settings.json"] + (media == nil ? [] : ["media.list"]) + (hasBroker ? ["broker.json"] : [])
        let form = ISO8601DateFormatter()
        return BackupManifest(
            name: backup.name, startedAt: form.string(from: moment), finishedAt: form.string(from: Date()), bus311Version: Settings.version,
            database: BackupManifest.Database(
                name: database, majorVersion: major, systemIdentifier: system, timeline: range.timeline, walStart: range.start,
                walEnd: range.end, segmentBytes: segment, bytes: BackupFolder.size(of: backup.database)),
            media: media, files: try parts.map { try BackupFolder.describe($0, in: backup.url) })
    }

    /// Where an administration role is set, the database knows of the backup: so the watch can tell how old the last one is.
    private func record(_ manifest: BackupManifest, from moment: Date, _ settings: Settings) async throws {
        guard let configuration = try? settings.database(.admin) else { return }
        let store = try BackupStore(configuration: configuration)
        do {
            try await store.record(
                manifest.name, from: Timestamp(microseconds: Int64(moment.timeIntervalSince1970 * 1e6)), to: .now,
                bytes: manifest.database.bytes + (manifest.media?.bytes ?? 0), walEnd: manifest.database.walEnd)
        } catch {
            BackupCommand.warn("The backup is made, but the database could not write it down (\(error)): alerts will think it missing.")
        }
        await store.close()
    }
}

/// Written line by line: a million photos are a hundred megabytes of names.
private final class MediaList {
    private let url: URL
    private var text = ""
    private var files = 0
    private var bytes: Int64 = 0
    private var handle: FileHandle?

    init(_ url: URL) { self.url = url }

    func add(_ key: MediaKey, _ size: Int) throws {
        text += "\(key.path) \(size)\n"
        files += 1
        bytes += Int64(size)
        if text.utf8.count > 1 << 16 { try flush() }
    }

    private func flush() throws {
        if handle == nil {
            try BackupFolder.write(Data(), to: url)
            handle = try FileHandle(forWritingTo: url)
        }
        try handle?.write(contentsOf: Data(text.utf8))
        text = ""
    }

    func finish() throws -> BackupManifest.Media {
        try flush()
        try handle?.synchronize()
        try handle?.close()
        return BackupManifest.Media(files: files, bytes: bytes)
    }
}
