import ArgumentParser
import Foundation
import Operations
import PrivateServers
import Storage

struct BackupVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Read a backup again, every byte, and compare it with its hashes.",
        discussion: """
            Exit code 1 when something is missing or changed, or the log has a gap or cannot be read. A backup is proved by a restore, not by this: \
            docs/operators/backup.md has the drill. Examples: bus311 backup verify --in /srv/backup; \
            bus311 backup verify --in /srv/backup --backup 20261126T034500Z --format json
            """)
    @Option(name: .customLong("in"), help: "The backup folder.") var folder: String
    @Option(help: "Its name; the newest, when it is left out.") var backup: String?
    @Option(name: .long, help: "text for people, json for scripts.") var format: CommonOptions.OutputFormat = .text

    func run() async throws {
        let folder = try BackupFolder(path: folder, makes: false)
        let (backup, manifest) = try folder.finished(backup)
        let outcome = try await BackupVerification(folder).whole(backup, manifest, progress: BackupCommand.tell)
        BackupCommand.tell("")
        let log = outcome.log.map { outcome.obstacle ?? "The log has no gap and can be read, up to \($0.last)." }
        try format.show(
            text:
                "\(backup.name) is whole: the database, \(outcome.files) other files, \(outcome.photos) photo files. \(log ?? "There is no log.")",
            json: outcome)
        if outcome.obstacle != nil { throw ExitCode(1) }
    }
}

struct BackupPruneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Remove old backups, and the log and the photos that no kept one needs.",
        discussion: """
            What was erased or ran out in the city goes from the backups here, at the latest with the last backup that knew it: keep no more \
            than 35 days of them, as the register sheet says. Examples: bus311 backup prune --in /srv/backup --keep 7 --dry-run; \
            bus311 backup prune --in /srv/backup --keep 7
            """)
    @OptionGroup var common: CommonOptions
    @Option(name: .customLong("in"), help: "The backup folder.") var folder: String
    @Option(help: "How many finished backups stay, the newest.") var keep: Int
    @Flag(help: "Say what would go; remove nothing.") var dryRun = false

    struct View: Encodable {
        let backups: [String]
        let log_files: Int
        let photos: Int
        let dry_run: Bool
    }

    func validate() throws {
        guard keep >= 1 else {
            throw ValidationError("--keep must be 1 at least: without a backup, the log and the photos restore nothing.")
        }
    }

    func run() async throws { try await common.audited { try await work() } }

    private func work() async throws {
        let folder = try BackupFolder(path: folder, makes: false)
        let lock = try FolderLock(folder.root)
        defer { withExtendedLifetime(lock) {} }
        let all = try folder.all()
        let kept = all.filter { $0.manifest != nil }.suffix(keep)
        guard let oldest = kept.first?.manifest?.database, let newest = kept.last?.manifest else {
            throw BackupFault.none(in: folder.root.path)
        }
        let going = all.filter { backup in !kept.contains { $0.name == backup.name } }
        let log = WALFolder(folder.wal).older(than: oldest.walStart, segmentBytes: oldest.segmentBytes)
        let photos = try self.photos(folder, Array(kept), newest)
        if !dryRun {
            // Half of a photo, of a copying that was killed.
            if FileManager.default.fileExists(atPath: folder.media.path) {
                _ = try await MediaFolder(path: folder.media.path).sweepIncoming(olderThan: .seconds(86_400))
            }
            // A backup's manifest first: what is cut short here is then an unfinished one, and goes the next time.
            for backup in going {
                try? FileManager.default.removeItem(at: backup.url.appendingPathComponent("manifest.json"))
                try FileManager.default.removeItem(at: backup.url)
            }
            for file in log + photos { try FileManager.default.removeItem(at: file) }
        }
        try common.show(
            text: "\(dryRun ? "Would remove" : "Removed"): \(going.count) backups (\(going.map(\.name).joined(separator: ", "))), "
                + "\(log.count) files of the log, \(photos.count) photo files.",
            json: View(backups: going.map(\.name), log_files: log.count, photos: photos.count, dry_run: dryRun))
    }

    /// Copies that no kept backup lists and that are older than the newest one: younger ones came with the log since.
    private func photos(_ folder: BackupFolder, _ kept: [BackupFolder.Backup], _ newest: BackupManifest) throws -> [URL] {
        guard let begun = ISO8601DateFormatter().date(from: newest.startedAt), kept.contains(where: { $0.manifest?.media != nil }) else {
            return []
        }
        var listed: Set<String> = []
        for backup in kept where backup.manifest?.media != nil {
            try BackupVerification.list(of: backup) { key, _ in listed.insert(key.path) }
        }
        var going: [URL] = []
        let root = folder.media.path + "/"
        let walk = FileManager.default.enumerator(
            at: folder.media, includingPropertiesForKeys: [.contentModificationDateKey, .isRegularFileKey])
        while let file = walk?.nextObject() as? URL {
            let path = String(file.path.dropFirst(root.count))
            guard MediaKey(path: path) != nil, !listed.contains(path) else { continue }
            let values = try? file.resourceValues(forKeys: [.contentModificationDateKey, .isRegularFileKey])
            guard values?.isRegularFile == true, let moment = values?.contentModificationDate, moment < begun else { continue }
            going.append(file)
        }
        return going
    }
}
