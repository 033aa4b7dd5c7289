import ArgumentParser
import Bus
import Foundation
import Open311
import Storage

/// Which way in a credential opens.
enum CredentialKind: String, ExpressibleByArgument {
    /// The two AMQP users.
    case a, b
    /// The bearer token of status-ingest.
    case crm
}

struct CredentialCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "credential", abstract: "What a CRM connects with: AMQP users in slots a and b, and its bearer token.",
        subcommands: [Issue.self, List.self, CredentialRotate.self, CredentialFinishRotation.self, Revoke.self])

    struct Issue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Issue a credential; it is shown this once. To replace one that is in use: credential rotate.",
            discussion: "Examples: bus311 credential issue valmont-7f3a9c b\n          bus311 credential issue valmont-7f3a9c crm\n"
                + "          bus311 credential issue valmont-7f3a9c b --client-certificate")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Argument(help: "a, b or crm.") var kind: CredentialKind
        @Flag(help: "Mutual TLS (a, b): no password, the user logs in with a certificate that bears its name.")
        var clientCertificate = false
        @Option(help: "Who uses the token (crm).") var label = "CRM"
        @Option(help: "Write the password or token into this new file, mode 0600, and do not show it.") var passwordFile: String?

        func run() async throws {
            if clientCertificate && passwordFile != nil {
                throw ValidationError("With --client-certificate there is no password to write.")
            }
            if clientCertificate && kind == .crm {
                throw ValidationError("--client-certificate is for the AMQP slots a and b: status-ingest knows its CRM by the token.")
            }
            try await common.administer { administration in
                let tenant = try await administration.tenant(tenant)
                switch kind {
                case .crm:
                    if let passwordFile { try SecretOutput.reserve(passwordFile) }
                    let secret = try await administration.store.createKey(kind: .crmToken, tenant: tenant.id, label: label, expiresAt: nil)
                    if let passwordFile {
                        try SecretOutput.write(secret.reveal(), to: passwordFile)
                        return try common.show(
                            text: "token in \(passwordFile)", json: ["id": secret.publicID, "password_file": passwordFile])
                    }
                    try common.show(text: secret.reveal(), json: ["id": secret.publicID, "crm_token": secret.reveal()])
                case .a where clientCertificate, .b where clientCertificate:
                    try await administration.issueByCertificate(kind == .a ? .a : .b, of: tenant, common)
                case .a, .b: try await administration.issue(kind == .a ? .a : .b, of: tenant, passwordFile, common)
                }
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A tenant's AMQP users, who is connected with them and since when, and its bearer tokens.",
            discussion: "Example: bus311 credential list valmont-7f3a9c")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String

        struct View: Encodable {
            let amqp: [CredentialView]
            let crm: [AccessKeyView]
        }

        func run() async throws {
            try await common.administer { administration in
                let tenant = try await administration.tenant(tenant)
                let view = View(
                    amqp: try await administration.credentials(of: tenant),
                    crm: try await administration.store.keys(of: tenant.id, kind: .crmToken).map(AccessKeyView.init))
                let lines = view.amqp.flatMap(\.lines) + view.crm.map { "crm " + $0.line }
                try common.show(text: lines.joined(separator: "\n"), json: view)
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End a credential at once; open AMQP connections are closed.",
            discussion:
                "Examples: bus311 credential revoke valmont-7f3a9c a\n          bus311 credential revoke valmont-7f3a9c crm --id Ab12Cd34")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Argument(help: "a, b or crm.") var kind: CredentialKind
        @Option(help: "The token's public id (crm).") var id: String?

        func run() async throws {
            try await common.administer { administration in
                let owner = try await administration.tenant(tenant)
                switch kind {
                case .crm:
                    guard let id, try await administration.store.revokeKey(publicID: id, of: owner.id) else {
                        throw ValidationError("Name a usable token with --id. List them: bus311 credential list \(tenant)")
                    }
                case .a, .b:
                    guard try await administration.revoke(kind == .a ? .a : .b, of: owner) else {
                        let nothing: [String: String?] = ["revoked": nil]
                        return try common.show(
                            text: "\(tenant) has no credential in slot \(kind.rawValue): nothing was changed.", json: nothing)
                    }
                }
                try common.show(text: "Revoked.", json: ["revoked": kind.rawValue])
            }
        }
    }
}
