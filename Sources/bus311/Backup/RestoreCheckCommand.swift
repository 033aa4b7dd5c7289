import ArgumentParser
import Bus
import Curl
import Foundation
import Open311
import Operations
import Storage

struct RestoreBrokerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "broker", abstract: "Give a new broker the tenants' users of a backup, under the passwords that they had.",
        discussion: """
            Exchanges, queues and policies follow from the database: bus311 tenant apply TENANT makes them. The services' own users \
            are the installation's (broker-config). Example: bus311 restore broker --from /srv/backup
            """)
    @OptionGroup var common: CommonOptions
    @Option(help: "The backup folder.") var from: String
    @Option(help: "The backup's name; the newest, when it is left out.") var backup: String?

    func run() async throws { try await common.audited { try await work() } }

    private func work() async throws {
        let settings = try await common.settings()
        let (backup, manifest) = try BackupFolder(path: from, makes: false).finished(backup)
        guard let file = manifest.files.first(where: { $0.path == "broker.json" }) else {
            throw ValidationError("\(backup.name) has no broker users: the broker was away when it was made. Use --backup to name another.")
        }
        guard try BackupFolder.describe(file.path, in: backup.url) == file,
            let data = FileManager.default.contents(atPath: backup.url.appendingPathComponent(file.path).path)
        else { throw BackupFault.changed(path: backup.url.appendingPathComponent(file.path).path) }
        let broker = BrokerAdministration(
            client: try HTTPClient(name: "bus311-restore"), baseURL: try settings.managementURL,
            credentials: BasicAuthentication(user: settings.provisionerUser, password: try settings.provisionerPassword))
        try await broker.restore(tenantUsers: data)
        let users = ((try? JSONSerialization.jsonObject(with: data)) as? [String: Any])?["users"] as? [[String: Any]] ?? []
        let names = users.compactMap { $0["name"] as? String }.sorted()
        try common.show(text: "\(names.count) users are on the broker: \(names.joined(separator: ", ")).", json: ["users": names])
    }
}

struct RestoreCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "After a restore: which photos are missing, what waits for the broker, which requests nobody here knows.",
        discussion: """
            A database cannot say what it never got. Whoever has numbers from before, a CRM above all, can: give them as a file, one \
            service_request_id a line, with --known. Exit code 1 when a photo is missing or a number is unknown. Examples: \
            bus311 restore check; bus311 restore check --known numbers-of-the-crm.txt --format json
            """)
    @OptionGroup var common: CommonOptions
    @Option(help: "File of service_request_ids, one a line, that somebody else knows.") var known: String?

    struct View: Encodable {
        let restored_at: String?
        let backup: String?
        let last_commit: String?
        let waiting_events: Int64
        let photo_files: Int?
        let photos_missing: Int?
        let requests_with_missing_photos: [String]
        let known: Int?
        let unknown: [String]
    }

    func run() async throws { try await common.audited { try await work() } }

    private func work() async throws {
        let settings = try await common.settings()
        let numbers = try known.map(Self.numbers)
        let (restore, waiting, unknown) = try await using(try BackupStore(configuration: try settings.database(.admin))) { store in
            var unknown: [ServiceRequestID] = []
            for start in stride(from: 0, to: numbers?.count ?? 0, by: 1_000) {
                unknown += try await store.unknown(Array((numbers ?? [])[start..<min(start + 1_000, numbers?.count ?? 0)]))
            }
            return (try await store.lastRestore(), try await store.pending(), unknown)
        }
        let photos = try await photos(settings)
        try show(restore, waiting, photos, numbers?.count, unknown)
        if !unknown.isEmpty || (photos?.missing ?? 0) > 0 { throw ExitCode(1) }
    }

    private static func numbers(_ path: String) throws -> [ServiceRequestID] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ValidationError("--known: \(path) cannot be read. Check the path.")
        }
        return try String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline).enumerated().compactMap { index, line in
            let text = line.trimmingCharacters(in: .whitespaces)
            guard !text.isEmpty else { return nil }
            guard let id = ServiceRequestID(parsing: text) else {
                throw ValidationError("--known: line \(index + 1) of \(path) is no service_request_id.")
            }
            return id
        }
    }

    private func photos(_ settings: Settings) async throws -> PhotoSweep.Verified? {
        guard let media = try settings.media else { return nil }
        let queue = try PhotoQueue(configuration: try settings.database(.photos), origin: settings.origin)
        do {
            let verified = try await PhotoSweep(queue: queue, media: media).verify {
                PhotoSweepCommand.tell("\($0.files) files looked for, \($0.missing) missing")
            }
            await queue.close()
            await media.close()
            return verified
        } catch {
            await queue.close()
            await media.close()
            throw error
        }
    }

    private func show(
        _ restore: BackupStore.Restore?, _ waiting: Int64, _ photos: PhotoSweep.Verified?, _ known: Int?, _ unknown: [ServiceRequestID]
    ) throws {
        var lines = [
            restore.map {
                "Restored \($0.at.iso8601) from \($0.backup); the last transaction that came back: \($0.lastCommit?.iso8601 ?? "none behind the backup")."
            } ?? "This database was never restored by bus311.", "\(waiting) events wait for the broker.",
        ]
        if let photos {
            lines.append("\(photos.files) photo files are referred to, \(photos.missing) are missing.")
            if !photos.requests.isEmpty { lines.append("Requests: " + photos.requests.map(\.description).joined(separator: ", ")) }
        }
        if let known {
            lines.append("Of \(known) numbers given, \(unknown.count) are unknown here\(unknown.isEmpty ? "." : ": lost, or never ours.")")
            lines += unknown.prefix(1_000).map(\.description)
        }
        try common.show(
            text: lines.joined(separator: "\n"),
            json: View(
                restored_at: restore?.at.iso8601, backup: restore?.backup, last_commit: restore?.lastCommit?.iso8601,
                waiting_events: waiting,
                photo_files: photos?.files, photos_missing: photos?.missing,
                requests_with_missing_photos: photos?.requests.map(\.description) ?? [], known: known, unknown: unknown.map(\.description)))
    }
}
