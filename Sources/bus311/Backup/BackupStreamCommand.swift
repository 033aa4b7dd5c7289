import ArgumentParser
import Foundation
import Operations
import PrivateServers
import Storage
import UnixSignals

#if canImport(Glibc)
    import Glibc
#endif

struct BackupStreamCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stream", abstract: "Keep the database's log and the photos as they come, until it is told to stop: a service.",
        discussion: """
            The log is on this disk before it is confirmed, so that a PostgreSQL whose synchronous_standby_names is bus311_backup answers \
            no citizen before: then nothing that was answered can be lost, and nobody is answered while this service is away. \
            After a restore or a promotion, begin a new folder. Ends with 0 when it is asked to by SIGTERM or Ctrl-C. Example:
              bus311 backup stream --to /srv/backup --photos-every 5
            """)
    @OptionGroup var common: CommonOptions
    @Option(help: "The backup folder; made for its owner only.") var to: String
    @Option(help: "Seconds between two looks for new photos on a disk; an S3 service is listed whole, every hour at most.")
    var photosEvery = 5

    @Option(help: "What it is called on the server: its replication slot, and its name in synchronous_standby_names. One for each folder.")
    var slot = "bus311_backup"

    func validate() throws {
        guard !slot.isEmpty, slot.utf8.count <= 60, slot.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 95 })
        else {
            throw ValidationError("--slot \(slot): write it in lower-case letters, digits and _.")
        }
        guard (1...86_400).contains(photosEvery) else { throw ValidationError("--photos-every must be 1 to 86400.") }
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let interruptions = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let settings = try await common.settings()
        let folder = try BackupFolder(path: to, makes: true)
        try BackupFolder.make(folder.wal)
        let lock = try FolderLock(folder.wal)
        defer { withExtendedLifetime(lock) {} }
        let say: @Sendable (String) -> Void = { BackupCommand.warn("bus311: \($0)") }
        let receiver = SupervisedProcess(
            WALReceiver(
                programs: try PostgresPrograms.newest(having: ["pg_receivewal", "psql"]), application: slot, folder: folder.wal,
                environment: try settings.backupSource.environment, log: folder.root.appendingPathComponent("stream.log")), report: say)
        try await receiver.start()
        let photos = Task { [media = try settings.media, photosEvery] in
            guard let media else { return }
            await Self.photos(media, folder, photosEvery, say)
            await media.close()
        }
        FileHandle.standardOutput.write(Data("Streaming to \(folder.root.path). Ctrl-C stops.\n".utf8))
        for await _ in interruptions { break }
        photos.cancel()
        await photos.value
        await receiver.stop()
    }

    private static func photos(_ media: any MediaStore, _ folder: BackupFolder, _ seconds: Int, _ say: (String) -> Void) async {
        var shelves = MediaShelves()
        var isFailing = false
        var damaged: [MediaKey] = []
        while !Task.isCancelled {
            do {
                let copy = MediaCopy(from: media, to: try MediaFolder(path: folder.media.path))
                let outcome: MediaCopy.Outcome
                if let disk = media as? MediaFolder {
                    var seen = shelves
                    let changed = try await disk.changed(since: &seen)
                    // What could not be copied is tried again.
                    outcome = try await copy.run(Array(Set(changed + damaged)))
                    shelves = seen
                } else {
                    outcome = try await copy.run()
                }
                if outcome.damaged.count > damaged.count {
                    say("\(outcome.damaged.count) photos are damaged in the store and were not copied")
                }
                damaged = outcome.damaged
                if isFailing { say("photos are copied again") }
                isFailing = false
            } catch {
                if !isFailing, !Task.isCancelled { say("photos cannot be copied: \(error)") }
                isFailing = true
            }
            try? await Task.sleep(for: .seconds(media is MediaFolder ? seconds : max(seconds, 3_600)))
        }
    }
}
