import ArgumentParser
import Foundation
import Open311
import Operations
import Postgres
import PrivateServers
import Storage

#if canImport(Glibc)
    import Glibc
#endif

struct RestoreRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Restore the database and the photos; the server itself is then yours to start.",
        discussion: """
            Nothing is overwritten: both folders must be empty. The database comes back as far as the log goes, or to --to-time, on a server \
            that nobody else reaches, and is stopped again. Examples:
              bus311 restore --from /srv/backup --data /var/lib/postgresql/15/restored --media /var/lib/bus311/media
              bus311 restore run --from /srv/backup --backup 20261126T034500Z --without-log --data ./data --media ./media --format json
            """)
    @Option(help: "The backup folder.") var from: String
    @Option(help: "The backup's name; the newest, when it is left out.") var backup: String?
    @Option(help: "The new data directory: missing or empty.") var data: String
    @Option(help: "The new folder of photos (media.directory): missing or empty. Leave it out when photos are on an S3 service.") var media:
        String?
    @Option(help: "As the database was at this moment, as in 2026-11-26T03:45:00Z; without it, as late as the log goes.") var toTime:
        String?
    @Flag(help: "Only what the backup itself has, without the log behind it.") var withoutLog = false
    @Flag(help: "Do not compare the backup with its hashes first.") var skipVerify = false
    @Option(name: .long, help: "text for people, json for scripts.") var format: CommonOptions.OutputFormat = .text

    struct View: Encodable {
        let backup: String
        let data: String
        let last_commit: String?
        let epoch: Int32
        let first_number: Int64
        let photos: Int?
        /// Why what came last is missing; nil when the whole log was there, or was not read.
        let obstacle: String?
        let seconds: Double
    }

    func validate() throws {
        if toTime != nil, withoutLog { throw ValidationError("--to-time needs the log: leave --without-log out.") }
    }

    func run() async throws {
        let clock = ContinuousClock.now
        let folder = try BackupFolder(path: from, makes: false)
        let (backup, manifest) = try folder.finished(backup)
        let target = try target(manifest)
        let data = URL(fileURLWithPath: data).standardizedFileURL
        try Self.requireEmpty(data)
        if let media { try Self.requireEmpty(URL(fileURLWithPath: media)) }
        if case .moment = target, !FileManager.default.fileExists(atPath: folder.wal.path) {
            throw BackupFault.missing(path: folder.wal.path)
        }
        var obstacle: String?
        if !skipVerify {
            let outcome = try await BackupVerification(folder).whole(
                backup, manifest, readsLog: target != .copy, progress: BackupCommand.tell)
            obstacle = target == .copy ? nil : outcome.obstacle
            if let obstacle { BackupCommand.warn(obstacle) }
        }
        let restored: BackupStore.Restored
        do {
            BackupCommand.tell("copying the database")
            try await copy(backup, to: data, manifest)
            restored = try await recover(data, folder, manifest, target)
        } catch {
            // It was empty: what lies there is this command's, and would be in the way of the next try.
            Self.empty(data)
            throw error
        }
        let photos = try await media.asyncMap { try await self.photos(folder, to: $0) }
        BackupCommand.tell("")
        let seconds = clock.duration(to: .now) / .milliseconds(1) / 1_000
        try format.show(
            text: text(manifest, data, restored, photos, seconds),
            json: View(
                backup: manifest.name, data: data.path, last_commit: restored.lastCommit?.iso8601, epoch: restored.epoch,
                first_number: restored.firstNumber, photos: photos, obstacle: obstacle, seconds: seconds))
    }

    private func target(_ manifest: BackupManifest) throws -> RecoveringPostgreSQL.Target {
        guard let toTime else { return withoutLog ? .copy : .end }
        guard let moment = Timestamp(parsing: toTime) else {
            throw ValidationError("--to-time \(toTime) is no date and time, as in 2026-11-26T03:45:00Z.")
        }
        guard let end = Timestamp(parsing: manifest.finishedAt), moment >= end else {
            throw ValidationError(
                "--to-time \(toTime) is before the backup \(manifest.name) was finished (\(manifest.finishedAt)): choose an earlier one with --backup."
            )
        }
        return .moment(moment.iso8601)
    }

    static func requireEmpty(_ url: URL) throws {
        var status = stat()
        guard lstat(url.path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR, try FileManager.default.contentsOfDirectory(atPath: url.path).isEmpty else {
            throw BackupFault.notEmpty(path: url.path)
        }
    }

    private static func empty(_ url: URL) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? [] {
            try? FileManager.default.removeItem(at: url.appendingPathComponent(name))
        }
    }

    /// Into the folder, which may be where a disk is mounted.
    private func copy(_ backup: BackupFolder.Backup, to data: URL, _ manifest: BackupManifest) async throws {
        try BackupFolder.make(data)
        guard chmod(data.path, 0o700) == 0 else { throw BackupFault.file(path: data.path, what: String(cString: strerror(errno))) }
        for name in try FileManager.default.contentsOfDirectory(atPath: backup.database.path) where name != "backup_manifest" {
            try FileManager.default.copyItem(at: backup.database.appendingPathComponent(name), to: data.appendingPathComponent(name))
        }
    }

    private func recover(
        _ data: URL, _ folder: BackupFolder, _ manifest: BackupManifest, _ target: RecoveringPostgreSQL.Target
    ) async throws -> BackupStore.Restored {
        let programs = try PostgresPrograms.of(major: manifest.database.majorVersion, having: ["postgres"])
        let hasLog = FileManager.default.fileExists(atPath: folder.wal.path)
        let server = try RecoveringPostgreSQL(
            programs: programs, data: data, archive: hasLog ? folder.wal : nil, target: hasLog ? target : .copy)
        do {
            try await server.start(segmentBytes: manifest.database.segmentBytes) { BackupCommand.tell("recovering: \($0)") }
            let restored = try await begin(server, manifest)
            await server.stop(isDone: true)
            return restored
        } catch {
            await server.stop(isDone: false)
            throw Self.reason(error, target)
        }
    }

    /// What PostgreSQL says when the log has no such moment, in words of ours.
    private static func reason(_ error: any Error, _ target: RecoveringPostgreSQL.Target) -> any Error {
        guard case .moment(let moment) = target, case PrivateServerError.endedAtStart(_, _, let log) = error,
            log.contains("recovery ended before configured recovery target was reached")
        else { return error }
        let last = log.firstMatch(of: #/last completed transaction was at log time (?<moment>[^\n]+)/#)
        return BackupFault.beyondTheLog(moment: moment, last: last.map { String($0.moment) })
    }

    /// Any role that can log in may ask who the superuser is; nobody is asked for a password.
    private func begin(_ server: RecoveringPostgreSQL, _ manifest: BackupManifest) async throws -> BackupStore.Restored {
        func store(_ user: String) throws -> BackupStore {
            try BackupStore(
                configuration: PostgresConfiguration(
                    connectionString: server.connection(user: user, database: manifest.database.name), applicationName: "bus311-restore",
                    statementTimeout: .seconds(120)))
        }
        let superuser = try await using(try store("bus311_admin")) { try await $0.superuser() }
        return try await using(try store(superuser)) { try await $0.restored(from: manifest.name) }
    }

    private func photos(_ folder: BackupFolder, to path: String) async throws -> Int {
        let outcome: MediaCopy.Outcome
        do {
            let copy = MediaCopy(from: try MediaFolder(path: folder.media.path), to: try MediaFolder(path: path))
            outcome = try await copy.run(progress: { BackupCommand.tell("\($0.files) photo files") })
        } catch {
            Self.empty(URL(fileURLWithPath: path))
            throw BackupFault.photosLeft(data: data, source: folder.media.path, target: path, what: "\(error)")
        }
        if !outcome.damaged.isEmpty {
            BackupCommand.warn("\(outcome.damaged.count) photos are damaged in the backup and did not come back.")
        }
        return outcome.files
    }

    private func text(
        _ manifest: BackupManifest, _ data: URL, _ restored: BackupStore.Restored, _ photos: Int?, _ seconds: Double
    ) -> String {
        """
        Restored \(manifest.name) in \(String(format: "%.1f", seconds)) s: the database into \(data.path)\(photos.map { ", \($0) photo files" } ?? "").
        The last transaction that came back: \(restored.lastCommit?.iso8601 ?? "none behind the backup, which ended \(manifest.finishedAt)").
        Events say epoch \(restored.epoch) in their source from now on; new requests are numbered above all that were given out before.

        What is left to you:
          1. give both folders to the accounts of PostgreSQL and of the services (chown), start PostgreSQL on the first, then the services;
          2. the broker was lost too: bus311 restore broker --from \(from), then bus311 tenant apply TENANT for each tenant;
          3. bus311 restore check
          4. the broker was lost too: bus311 replay --tenant TENANT --from (before what its CRM had not fetched yet);
          5. a new backup and stream, in a new folder: this one belongs to the history that ended. PostgreSQL waits for no standby now:
             set synchronous_standby_names again when its standby is there.
        """
    }
}

extension Optional where Wrapped: Sendable {
    fileprivate func asyncMap<Value>(_ transform: (Wrapped) async throws -> Value) async rethrows -> Value? {
        guard let self else { return nil }
        return try await transform(self)
    }
}
