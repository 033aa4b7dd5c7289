import ArgumentParser
import Foundation
import Open311
import Storage

/// Takes photos off the network, or gives them another address.
struct PhotoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "photo", abstract: "The addresses of photos: list, revoke, replace, end them; sweep the store, or move it.",
        subcommands: [
            PhotoListCommand.self, Revoke.self, Renew.self, PhotoExpireCommand.self, PhotoSweepCommand.self, PhotoMoveCommand.self,
        ])

    struct View: Encodable {
        let service_request_id: String
        let path: String?
        let expires_datetime: String?
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a photo no more: its address answers 410 from now on, its files go within two hours.",
            discussion: "Example: bus311 photo revoke https://bus.example/media/0f1e2d3c4b5a69788796a5b4c3d2e1f0.jpg")
        @OptionGroup var common: CommonOptions
        @Argument(help: "The photo's address, or the 32 digits in it.") var address: String

        func run() async throws { try await PhotoCommand.readdress(address, as: { _ in nil }, until: .never, common) }
    }

    struct Renew: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Give a photo a new address, also when the old one has expired; the old one is unknown from now on, and the CRM is told.",
            discussion: """
                It ends to answer as its tenant's new photos do, unless said otherwise.
                Example: bus311 photo renew https://bus.example/media/0f1e2d3c4b5a69788796a5b4c3d2e1f0.jpg --in 30d
                """)
        @OptionGroup var common: CommonOptions
        @Argument(help: "The photo's address, or the 32 digits in it.") var address: String

        @OptionGroup var end: PhotoEndOptions

        func run() async throws {
            try await PhotoCommand.readdress(address, as: { _ in PhotoToken() }, until: try end.end ?? .byPolicy, common)
        }
    }

    /// - Parameter replacement: of the token given, nil to show the photo no more.
    static func readdress(
        _ address: String, as replacement: (PhotoToken) -> PhotoToken?, until end: PhotoEnd, _ common: CommonOptions
    ) async throws {
        let name = address.split(separator: "/").last.map(String.init) ?? ""
        let digits = name.replacingOccurrences(of: "-small", with: "").replacingOccurrences(of: ".jpg", with: "")
        guard let token = PhotoToken(parsing: digits) else {
            throw ValidationError("This is no photo's address: it ends in 32 hexadecimal digits and .jpg.")
        }
        let replacement = replacement(token)
        try await common.administer { administration in
            guard let request = try await administration.store.readdress(photo: token, as: replacement, until: end) else {
                throw ValidationError("No photo that may be shown has this address. List those of a request: bus311 photo list REQUEST")
            }
            let shown = try await administration.store.photos(of: request).first { $0.token == replacement?.text }
            let until = shown?.expiresAt.map { "until \($0.iso8601)" } ?? "for as long as the request is kept"
            try common.show(
                text: replacement.map { "Request \(request): the photo is at \($0.path), \(until)." }
                    ?? "Request \(request): the photo is revoked.",
                json: View(
                    service_request_id: request.description, path: replacement?.path, expires_datetime: shown?.expiresAt?.iso8601))
        }
    }
}
