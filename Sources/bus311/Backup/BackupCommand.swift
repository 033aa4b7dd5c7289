import ArgumentParser
import Foundation
import Operations

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy the database, its log as it is written, the photos and what else a restore needs.",
        discussion: """
            A backup folder holds personal data and password hashes: it is its owner's only (0700). docs/operators/backup.md tells what may \
            be lost with which arrangement. Examples:
              bus311 backup run --to /srv/backup
              bus311 backup stream --to /srv/backup      (a service: the log and the photos, as they come)
              bus311 backup list --in /srv/backup
              bus311 backup verify --in /srv/backup
              bus311 backup prune --in /srv/backup --keep 7
            """,
        subcommands: [
            BackupRunCommand.self, BackupStreamCommand.self, BackupListCommand.self, BackupVerifyCommand.self, BackupPruneCommand.self,
        ])

    /// On a terminal only, over the line before.
    static func tell(_ progress: String) {
        guard isatty(FileHandle.standardError.fileDescriptor) != 0 else { return }
        FileHandle.standardError.write(Data("\r\(progress)\u{1B}[K".utf8))
    }

    static func warn(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }

    /// As in `1.2 GB`.
    static func size(_ bytes: Int64) -> String {
        var value = Double(bytes)
        for unit in ["B", "kB", "MB", "GB"] {
            if value < 1_000 { return unit == "B" ? "\(bytes) B" : String(format: "%.1f %@", value, unit) }
            value /= 1_000
        }
        return String(format: "%.1f TB", value)
    }
}

struct BackupListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "The backups of a folder, and how far its log reaches.",
        discussion: "Examples: bus311 backup list --in /srv/backup; bus311 backup list --in /srv/backup --format json")
    @Option(name: .customLong("in"), help: "The backup folder.") var folder: String
    @Option(name: .long, help: "text for people, json for scripts.") var format: CommonOptions.OutputFormat = .text

    struct View: Encodable {
        struct Backup: Encodable {
            let name: String
            let finished: Bool
            let finished_at: String?
            let database_bytes: Int64?
            let photos: Int?
            let wal_end: String?
        }

        let backups: [Backup]
        let log: WALFolder.Reach?
    }

    func run() async throws {
        let folder = try BackupFolder(path: folder, makes: false)
        let backups = try folder.all().map { backup in
            View.Backup(
                name: backup.name, finished: backup.manifest != nil, finished_at: backup.manifest?.finishedAt,
                database_bytes: backup.manifest?.database.bytes, photos: backup.manifest?.media?.files,
                wal_end: backup.manifest?.database.walEnd)
        }
        let reach = try WALFolder(folder.wal).reach()
        let lines = backups.map { backup in
            backup.finished
                ? "\(backup.name)  database \(BackupCommand.size(backup.database_bytes ?? 0)), \(backup.photos.map { "\($0) photo files" } ?? "no photos")"
                : "\(backup.name)  broken off"
        }
        let log =
            reach.map { "Log: \($0.files) files, \($0.first) to \($0.last), last written \($0.written_at)" }
            ?? "No log: bus311 backup stream"
        try format.show(
            text: ((lines.isEmpty ? ["No backup."] : lines) + [log]).joined(separator: "\n"), json: View(backups: backups, log: reach))
    }
}
