import ArgumentParser
import Foundation
import Open311
import Storage

/// Until when an address shall answer.
struct PhotoEndOptions: ParsableArguments {
    @Option(help: "The moment, as in 2026-12-31T23:00:00Z.") var at: String?
    @Option(name: .customLong("in"), help: "How long from now, as in 45s, 10m, 12h or 30d.") var span: String?
    @Flag(help: "For as long as the request is kept.") var never = false

    /// Nil when none was given.
    var end: PhotoEnd? {
        get throws {
            guard [at != nil, span != nil, never].count(where: { $0 }) <= 1 else {
                throw ValidationError("Give one of --at, --in and --never.")
            }
            if let at {
                guard let moment = Timestamp(parsing: at) else {
                    throw ValidationError("--at \(at) is no moment, as in 2026-12-31T23:00:00Z.")
                }
                return .at(moment)
            }
            if let span {
                let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
                guard let unit = span.last.flatMap({ units[$0] }), let count = Int64(span.dropLast()), (0...100_000_000).contains(count)
                else {
                    throw ValidationError("--in \(span) is no length of time, as in 45s, 10m, 12h or 30d.")
                }
                return .at(Timestamp(microseconds: Timestamp.now.microseconds + count * unit * 1_000_000))
            }
            return never ? .never : nil
        }
    }
}

struct PhotoExpireCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "expire", abstract: "Have a photo's address end to answer (410) at a moment; the CRM is told.",
        discussion: "Example: bus311 photo expire https://bus.example/media/0f1e2d3c4b5a69788796a5b4c3d2e1f0.jpg --in 7d")
    @OptionGroup var common: CommonOptions
    @Argument(help: "The photo's address, or the 32 digits in it.") var address: String
    @OptionGroup var end: PhotoEndOptions

    func run() async throws {
        guard let end = try end.end else { throw ValidationError("Say when: --at, --in or --never.") }
        try await PhotoCommand.readdress(address, as: { $0 }, until: end, common)
    }
}

struct PhotoListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "The photos of a request, with their addresses and states.",
        discussion: "Example: bus311 photo list 2611000004217")
    @OptionGroup var common: CommonOptions
    @Argument(help: "service_request_id") var request: String

    struct View: Encodable {
        let position: Int
        let url: String
        /// linked, received, redacting, ready, expired, refused, revoked.
        let state: String
        let reason: String?
        let received_datetime: String
        let expires_datetime: String?
        let bytes: Int?
        let width: Int?
        let height: Int?

        init(_ photo: ListedPhoto, root: String) {
            position = photo.position
            url = "\(root)/media/\(photo.token).jpg"
            let isExpired = photo.state == "ready" && photo.expiresAt.map { $0 <= .now } ?? false
            state = isExpired ? "expired" : photo.state
            reason = photo.reason
            received_datetime = photo.receivedAt.iso8601
            expires_datetime = photo.expiresAt?.iso8601
            bytes = photo.bytes
            width = photo.width
            height = photo.height
        }

        var line: String {
            let size = width.flatMap { width in height.map { "  \(width)x\($0)" } } ?? ""
            return
                "\(position)  \(state)\(reason.map { " (\($0))" } ?? "")\(size)  \(url)  \(expires_datetime.map { "until \($0)" } ?? "no end")"
        }
    }

    func run() async throws {
        try await common.administer { administration in
            let id = try await administration.request(request)
            let root = administration.settings.origin.rootURL
            let views = try await administration.store.photos(of: id).map { View($0, root: root) }
            try common.show(text: views.isEmpty ? "No photos." : views.map(\.line).joined(separator: "\n"), json: views)
        }
    }
}
