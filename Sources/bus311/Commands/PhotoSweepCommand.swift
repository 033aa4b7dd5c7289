import ArgumentParser
import Foundation
import Open311
import Operations
import Storage

/// What the cleaner does every hour, at an operator's word; and the other direction, which costs a question for each file.
struct PhotoSweepCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep", abstract: "Remove photo files that no request refers to; --verify looks for those that are gone, too.",
        discussion: """
            Exit code 1 when --verify finds a request whose photo is not whole in the store. While a gateway runs, leave the age at an \
            hour: a younger file may belong to a request that is being stored. Examples: bus311 photo sweep; \
            bus311 photo sweep --older-than 0s --verify --format json
            """)
    @OptionGroup var common: CommonOptions
    @Option(help: "Leave what is younger, as in 90s, 30m, 2h, 1d. Below 1h only while no gateway runs.") var olderThan = "1h"
    @Flag(help: "Then look for every file that the database refers to.") var verify = false

    struct View: Encodable {
        struct Verified: Encodable {
            let files: Int
            let missing: Int
            let requests: [String]
        }

        let removed_incoming: Int
        let removed_originals: Int
        let removed_copies: Int
        let verified: Verified?
    }

    func run() async throws { try await common.audited { try await work() } }

    private func work() async throws {
        guard let age = Self.age(olderThan) else {
            throw ValidationError("--older-than \(olderThan): write a number and s, m, h or d, as in 90s or 1h.")
        }
        let settings = try await common.settings()
        guard let media = try settings.media else {
            throw ValidationError("media.directory is not set: this installation takes no photos. See docs/configuration.md.")
        }
        let queue = try PhotoQueue(configuration: try settings.database(.photos), origin: settings.origin)
        let sweep = PhotoSweep(queue: queue, media: media)
        let (removed, verified): (PhotoSweep.Removed, PhotoSweep.Verified?)
        do {
            removed = try await sweep.remove(olderThan: age) { Self.tell("\($0.total) removed") }
            verified = verify ? try await sweep.verify { Self.tell("\($0.files) files looked for, \($0.missing) missing") } : nil
        } catch {
            await queue.close()
            await media.close()
            throw error
        }
        await queue.close()
        await media.close()
        try show(removed, verified)
        if let verified, verified.missing > 0 { throw ExitCode(1) }
    }

    private func show(_ removed: PhotoSweep.Removed, _ verified: PhotoSweep.Verified?) throws {
        var text = "Removed: \(removed.originals) originals, \(removed.copies) copies, \(removed.incoming) half-received files."
        if let verified {
            text += "\nLooked for \(verified.files) files: \(verified.missing == 0 ? "all are there" : "\(verified.missing) missing")."
            if !verified.requests.isEmpty { text += "\nRequests: " + verified.requests.map(\.description).joined(separator: ", ") }
        }
        try common.show(
            text: text,
            json: View(
                removed_incoming: removed.incoming, removed_originals: removed.originals, removed_copies: removed.copies,
                verified: verified.map {
                    View.Verified(files: $0.files, missing: $0.missing, requests: $0.requests.map(\.description))
                }))
    }

    /// On a terminal only, over the line before.
    static func tell(_ progress: String) {
        guard isatty(FileHandle.standardError.fileDescriptor) != 0 else { return }
        FileHandle.standardError.write(Data("\r\(progress)\u{1B}[K".utf8))
    }

    /// As in `90s`, `30m`, `2h`, `1d`.
    static func age(_ text: String) -> Duration? {
        let seconds: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        guard let unit = text.last.flatMap({ seconds[$0] }), let count = Int(text.dropLast()), (0...1_000_000).contains(count),
            text.first?.isNumber == true
        else { return nil }
        return .seconds(count * unit)
    }
}
