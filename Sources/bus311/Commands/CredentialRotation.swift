import ArgumentParser
import Bus
import Foundation
import Open311
import Storage

struct CredentialRotate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Issue the slot that is not in use; the old one works on until the rotation is finished.",
        discussion: """
            The password is shown this once. The vendor changes over when it suits; then: bus311 credential finish-rotation KEY.
            Example: bus311 credential rotate valmont-7f3a9c --password-file valmont.password
            """)
    @OptionGroup var common: CommonOptions
    @Argument var tenant: String
    @Flag(help: "Mutual TLS: the new user logs in with a certificate; so it does when the old one did.") var clientCertificate = false
    @Option(help: "Write the password into this new file, mode 0600, and do not show it.") var passwordFile: String?

    func run() async throws {
        try await common.administer { administration in
            let owner = try await administration.tenant(tenant)
            let issued = try await administration.provisioner().credentials(BusTenant(owner)).filter(\.isIssued)
            switch issued.count {
            case 0: throw ValidationError("\(tenant) has no credential yet. Issue the first: bus311 credential issue \(tenant) a")
            case 1 where clientCertificate || (issued[0].byCertificate && passwordFile == nil):
                try await administration.issueByCertificate(issued[0].slot.other, of: owner, common)
            case 1: try await administration.issue(issued[0].slot.other, of: owner, passwordFile, common)
            default:
                throw ValidationError(
                    "Both slots are in use: a rotation is under way. End it with bus311 credential finish-rotation \(tenant), or revoke one."
                )
            }
        }
    }
}

struct CredentialFinishRotation: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "finish-rotation", abstract: "Delete the older slot's user, once nobody uses it; its connections are closed.",
        discussion: """
            Refuses while the old user is connected, or was within the last 24 hours, or while nobody has seen the new one. The watch looks
            every 30 seconds: ask the vendor first where clients connect for less than that.
            Example: bus311 credential finish-rotation valmont-7f3a9c
            """)
    @OptionGroup var common: CommonOptions
    @Argument var tenant: String
    @Flag(help: "Delete the older user whoever uses it.") var force = false

    func run() async throws {
        try await common.administer { administration in
            let owner = try await administration.tenant(tenant)
            let views = try await administration.credentials(of: owner).filter(\.issued)
            guard views.count == 2 else {
                throw ValidationError(
                    "\(tenant) has one credential in use: no rotation is under way. Begin one: bus311 credential rotate \(tenant)")
            }
            // One without a date was issued by a version that kept none.
            let sorted = views.sorted { ($0.created ?? "", $0.slot) < ($1.created ?? "", $1.slot) }
            let (old, new) = (sorted[0], sorted[1])
            if !force, let obstacle = try await obstacle(old, new, administration) {
                throw ValidationError("The old user \(old.user) was not deleted: \(obstacle). --force deletes it all the same.")
            }
            guard let slot = CredentialSlot(rawValue: old.slot) else { return }
            try await administration.revoke(slot, of: owner)
            try common.show(
                text: "Deleted \(old.user); \(new.user) is in use.",
                json: ["deleted": old.user, "in_use": new.user, "connections_closed": String(old.connections.count)])
        }
    }

    /// Why somebody could be cut off; nil when nobody can.
    private func obstacle(_ old: CredentialView, _ new: CredentialView, _ administration: Administration) async throws -> String? {
        if !old.connections.isEmpty {
            return "it has \(old.connections.count) open connections, from \(old.connections.compactMap(\.peer).joined(separator: ", "))"
        }
        let limit = Timestamp.now.adding(days: -1)
        if let seen = old.last_seen.flatMap({ Timestamp(parsing: $0) }), seen > limit {
            return "it was connected at \(seen.iso8601), less than 24 hours ago"
        }
        if new.connections.isEmpty, new.last_seen == nil { return "nobody was seen connected as \(new.user) yet" }
        guard let since = try await administration.store.credentialsWatchedSince(), since <= limit else {
            return "the watch service has not looked at the broker for 24 hours without a gap, so nobody knows who used it"
        }
        return nil
    }
}
