import ArgumentParser
import Foundation
import Operations
import Storage

/// From the disk to an S3 service, or back.
struct PhotoMoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move", abstract: "Move every photo from media.directory to the S3 service of the settings, or back.",
        discussion: """
            Both stores stand in the settings. What was interrupted goes on where it stopped. docs/operators/media-storage.md tells \
            how to change without a photo missing meanwhile. Example: bus311 photo move --to s3 --keep
            """)
    @OptionGroup var common: CommonOptions
    @Option(help: "s3, or disk.") var to: Target
    @Flag(help: "Leave the files where they were, too.") var keep = false

    enum Target: String, ExpressibleByArgument { case s3, disk }

    func run() async throws { try await common.audited { try await work() } }

    private func work() async throws {
        let settings = try await common.settings()
        guard let service = try settings.media as? S3Store else {
            throw ValidationError(
                "media.s3.endpoint is not set: there is one store only. \(Settings.place(of: "media.s3.endpoint"))")
        }
        let folder = try settings.mediaFolder
        let move = to == .s3 ? PhotoMove(from: folder, to: service) : PhotoMove(from: service, to: folder)
        let copied = try await using(service) { _ in
            try await move.run(keeps: keep) { PhotoSweepCommand.tell("\($0) files copied") }
        }
        try common.show(
            text: "Copied \(copied) files to \(to == .s3 ? "the S3 service" : "the disk")\(keep ? "; they stand in both places" : "").",
            json: ["copied": copied])
    }
}
