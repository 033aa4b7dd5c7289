import ArgumentParser
import Foundation
import Open311
import Storage

/// A key as operators see it: everything but the secret.
struct AccessKeyView: Encodable {
    let id: String
    let label: String
    let created: String
    let expires: String?
    let revoked: String?

    init(_ key: AccessKey) {
        id = key.publicID
        label = key.label
        created = key.createdAt.iso8601
        expires = key.expiresAt?.iso8601
        revoked = key.revokedAt?.iso8601
    }

    var line: String { "\(id)  \(label)  created \(created)\(expires.map { "  expires \($0)" } ?? "")\(revoked.map { "  revoked \($0)" } ?? "")" }
}

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "API keys of apps.", subcommands: [Create.self, List.self, Revoke.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an API key; it is shown this once.",
            discussion: "Example: bus311 key create valmont-7f3a9c --label 'Mobile app'")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Option(help: "Who uses it; CRMs see it as received_via.") var label: String
        @Option(help: "Days until it expires.") var days: Int?

        func run() async throws {
            try await common.administer { administration in
                let tenant = try await administration.tenant(tenant)
                let secret = try await administration.store.createKey(
                    kind: .apiKey, tenant: tenant.id, label: label, expiresAt: days.map { Timestamp.now.adding(days: Int64($0)) })
                try common.show(text: secret.reveal(), json: ["id": secret.publicID, "api_key": secret.reveal()])
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "A tenant's API keys.", discussion: "Example: bus311 key list valmont-7f3a9c")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String

        func run() async throws {
            try await common.administer { administration in
                let views = try await administration.store.keys(of: try await administration.tenant(tenant).id, kind: .apiKey).map(AccessKeyView.init)
                try common.show(text: views.map(\.line).joined(separator: "\n"), json: views)
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End an API key at once.", discussion: "Example: bus311 key revoke valmont-7f3a9c Ab12Cd34")
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
