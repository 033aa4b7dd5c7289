import ArgumentParser
import Foundation
import Open311
import Storage

/// Takes photos off the network, or gives them another address.
struct PhotoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "photo", abstract: "Revoke a photo's address, replace it by another, or sweep the store.",
        subcommands: [Revoke.self, Renew.self, PhotoSweepCommand.self, PhotoMoveCommand.self])

    struct View: Encodable {
        let service_request_id: String
        let path: String?
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a photo no more: its address answers 410 from now on, its files go within two hours.",
            discussion: "Example: bus311 photo revoke https://bus.example/media/0f1e2d3c4b5a69788796a5b4c3d2e1f0.jpg")
        @OptionGroup var common: CommonOptions
        @Argument(help: "The photo's address, or the 32 digits in it.") var address: String

        func run() async throws { try await PhotoCommand.replace(address, by: nil, common) }
    }

    struct Renew: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a photo a new address; the old one is unknown from now on.",
            discussion: "Example: bus311 photo renew https://bus.example/media/0f1e2d3c4b5a69788796a5b4c3d2e1f0.jpg")
        @OptionGroup var common: CommonOptions
        @Argument(help: "The photo's address, or the 32 digits in it.") var address: String

        func run() async throws { try await PhotoCommand.replace(address, by: PhotoToken(), common) }
    }

    private static func replace(_ address: String, by replacement: PhotoToken?, _ common: CommonOptions) async throws {
        let name = address.split(separator: "/").last.map(String.init) ?? ""
        let digits = name.replacingOccurrences(of: "-small", with: "").replacingOccurrences(of: ".jpg", with: "")
        guard let token = PhotoToken(parsing: digits) else {
            throw ValidationError("This is no photo's address: it ends in 32 hexadecimal digits and .jpg.")
        }
        try await common.administer { administration in
            guard let request = try await administration.store.revoke(photo: token, inFavourOf: replacement) else {
                throw ValidationError("No photo that is shown has this address.")
            }
            try common.show(
                text: replacement.map { "Request \(request): the photo is at \($0.path) now." }
                    ?? "Request \(request): the photo is revoked.",
                json: View(service_request_id: request.description, path: replacement?.path))
        }
    }
}
