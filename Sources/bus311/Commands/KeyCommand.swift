import ArgumentParser
import Foundation
import Open311
import Storage

/// A key as operators see it: everything but the secret.
struct AccessKeyView: Encodable {
    let id: String
    let label: String
    let scopes: [String]
    let created: String
    let expires: String?
    let revoked: String?
    let last_used: String?

    init(_ issued: IssuedKey) {
        let key = issued.key
        id = key.publicID
        label = key.label
        scopes = key.scopes.map(\.rawValue).sorted()
        created = key.createdAt.iso8601
        expires = key.expiresAt?.iso8601
        revoked = key.revokedAt?.iso8601
        last_used = issued.lastUsedAt?.iso8601
    }

    var line: String {
        var words = ["\(id)  \(label)"]
        if !scopes.isEmpty { words.append(scopes.joined(separator: ",")) }
        words.append("created \(created)")
        words += [expires.map { "expires \($0)" }, revoked.map { "revoked \($0)" }].compactMap { $0 }
        words.append(last_used.map { "last used \($0)" } ?? "never used")
        return words.joined(separator: "  ")
    }
}

extension AccessScope: ExpressibleByArgument {}

/// When a key ends: a date, or a number of days from now.
struct Expiry: ExpressibleByArgument {
    let moment: Timestamp

    init(moment: Timestamp) { self.moment = moment }
    init(days: Int64) { self.init(moment: Timestamp.now.adding(days: days)) }

    init?(argument: String) {
        if argument.hasSuffix("d"), let days = Int64(argument.dropLast()), (1...3_650).contains(days) {
            self.init(days: days)
        } else if let moment = Timestamp(parsing: argument), moment > .now {
            self.init(moment: moment)
        } else {
            return nil
        }
    }
}

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "API keys of apps.",
        subcommands: [Create.self, List.self, Rotate.self, Revoke.self]
    )

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an API key; it is shown this once.",
            discussion: "Example: bus311 key create valmont-7f3a9c --label 'Mobile app' --scope write --scope personal-data --expires 365d"
        )
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Option(help: "Who uses it, at most 255 characters; CRMs see it as received_via.") var label: String
        @Option(help: "read, write, personal-data or test; may be repeated. Without any: read and write.") var scope: [AccessScope] = []
        @Option(help: "A date to come, as in 2027-03-31, or days from now, as in 365d. Without it the key does not expire.")
        var expires: Expiry?

        func validate() throws {
            guard !label.isEmpty, !CleanText.isLonger(label, than: AccessKey.maximumLabel) else {
                throw ValidationError(
                    "--label has \(label.unicodeScalars.count) characters: give 1 to \(AccessKey.maximumLabel), because CRMs receive it with each "
                        + "request.")
            }
        }

        func run() async throws {
            try await common.administer { administration in
                let tenant = try await administration.tenant(tenant)
                let secret = try await administration.store.createKey(
                    kind: .apiKey,
                    tenant: tenant.id,
                    label: label,
                    scopes: scope.isEmpty ? nil : Set(scope),
                    expiresAt: expires?.moment
                )
                try common.show(text: secret.reveal(), json: ["id": secret.publicID, "api_key": secret.reveal()])
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A tenant's API keys.",
            discussion: "Example: bus311 key list valmont-7f3a9c"
        )
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String

        func run() async throws {
            try await common.administer { administration in
                let views = try await administration.store.keys(of: try await administration.tenant(tenant).id, kind: .apiKey).map(
                    AccessKeyView.init
                )
                try common.show(text: views.map(\.line).joined(separator: "\n"), json: views)
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a successor with the same label and scopes; the old key works on for the overlap.",
            discussion: "Example: bus311 key rotate valmont-7f3a9c Ab12Cd34 --overlap 7d --expires 365d"
        )
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Argument(help: "The old key's public id, as in key list.") var id: String
        @Option(help: "How long the old key works on: days from now, or a date. Without it: 7d.") var overlap: Expiry?
        @Option(help: "When the new key ends, as in key create.") var expires: Expiry?

        func run() async throws {
            try await common.administer { administration in
                let owner = try await administration.tenant(tenant)
                let overlapEnd = (overlap ?? Expiry(days: 7)).moment
                guard
                    let secret = try await administration.store.rotateKey(
                        publicID: id,
                        of: owner.id,
                        overlapEnd: overlapEnd,
                        expiresAt: expires?.moment
                    )
                else { throw ValidationError("\(tenant) has no usable key \(id). List them: bus311 key list \(tenant)") }
                try common.show(
                    text: "\(secret.reveal())\nThe old key \(id) ends at \(overlapEnd.iso8601) at the latest.",
                    json: ["id": secret.publicID, "api_key": secret.reveal(), "old_key_ends": overlapEnd.iso8601]
                )
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End an API key at once.",
            discussion: "Example: bus311 key revoke valmont-7f3a9c Ab12Cd34"
        )
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Argument(help: "Its public id, as in key list.") var id: String

        func run() async throws {
            try await common.administer { administration in
                let owner = try await administration.tenant(tenant)
                guard try await administration.store.revokeKey(publicID: id, of: owner.id) else {
                    throw ValidationError("\(tenant) has no usable key \(id). List them: bus311 key list \(tenant)")
                }
                try common.show(text: "Revoked \(id).", json: ["revoked": id])
            }
        }
    }
}
