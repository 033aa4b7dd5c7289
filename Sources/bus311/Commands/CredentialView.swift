import Bus
import Foundation
import Open311
import Storage

/// An AMQP user as operators see it: what the broker says, and what it does not remember.
struct CredentialView: Encodable {
    struct Connection: Encodable {
        let peer: String?
        let product: String?
        let version: String?
        let client_name: String?
        let connected: String?
        let channels: Int?
        let encrypted: Bool?
    }

    let slot: String
    let user: String
    /// Whether it has a password: without one nobody can log in.
    let issued: Bool
    /// It logs in with a certificate that bears its name.
    let by_certificate: Bool
    let created: String?
    let last_seen: String?
    let connections: [Connection]

    init(_ state: CredentialState, _ record: CredentialRecord?) {
        slot = state.slot.rawValue
        user = state.user
        issued = state.isIssued
        by_certificate = state.byCertificate
        created = record?.issuedAt?.iso8601
        last_seen = record?.lastSeenAt?.iso8601
        connections = state.connections.map { open in
            Connection(
                peer: open.peer, product: open.product, version: open.version, client_name: open.clientName,
                connected: open.connectedAt.map { Timestamp(microseconds: Int64($0.timeIntervalSince1970 * 1e6)).iso8601 },
                channels: open.channels, encrypted: open.isEncrypted)
        }
    }

    var lines: [String] {
        let times = [created.map { "issued \($0)" }, last_seen.map { "last seen \($0)" } ?? "not seen connected"].compactMap { $0 }
        let head =
            "slot \(slot)  user \(user)  " + (by_certificate ? "by certificate  " : "")
            + (issued ? times.joined(separator: "  ") : "no password yet")
        return ["\(head)  \(connections.count) connections"]
            + connections.map { open in
                let client = [open.product, open.version, open.client_name.map { "(\($0))" }].compactMap { $0 }.joined(separator: " ")
                let words = [
                    open.peer.map { "from \($0)" }, client.isEmpty ? nil : client, open.connected.map { "since \($0)" },
                    open.channels.map { "\($0) channels" }, open.encrypted.map { $0 ? "TLS" : "not encrypted" },
                ]
                return "    " + words.compactMap { $0 }.joined(separator: "  ")
            }
    }
}

extension Administration {
    /// The slots that have a user; whoever is connected at this moment is written down as seen.
    func credentials(of tenant: Tenant) async throws -> [CredentialView] {
        let states = try await provisioner().credentials(BusTenant(tenant))
        try await store.credentialsSeen(states.filter { !$0.connections.isEmpty }.map { (tenant: tenant.key, slot: $0.slot.rawValue) })
        let records = try await store.credentials(of: tenant.id)
        return states.map { state in CredentialView(state, records.first { $0.slot == state.slot.rawValue }) }
    }

    /// Issues a slot and shows its password once, or writes it into a file.
    func issue(_ slot: CredentialSlot, of tenant: Tenant, _ passwordFile: String?, _ common: CommonOptions) async throws {
        if let passwordFile { try SecretOutput.reserve(passwordFile) }
        let issued: IssuedCredential
        do {
            issued = try await provisioner().issueCredential(BusTenant(tenant), slot: slot)
        } catch {
            if let passwordFile { SecretOutput.giveUp(passwordFile) }
            throw error
        }
        if let passwordFile { try SecretOutput.write(issued.password.clearText, to: passwordFile) }
        try await store.credentialIssued(slot.rawValue, of: tenant.id)
        try await store.record("credential issued", by: Operator.name, of: tenant.id, detail: "slot \(slot.rawValue)")
        let place = passwordFile.map { "in \($0)" } ?? issued.password.clearText
        try common.show(
            text: "user \(issued.user)\npassword \(place)\nvhost \(issued.virtualHost)",
            json: [
                "user": issued.user, passwordFile == nil ? "password" : "password_file": passwordFile ?? issued.password.clearText,
                "vhost": issued.virtualHost,
            ])
    }

    /// Deletes a slot's user, which ends its connections.
    ///
    /// - Returns: false when there was none.
    @discardableResult
    func revoke(_ slot: CredentialSlot, of tenant: Tenant) async throws -> Bool {
        let isThere = try await provisioner().credentials(BusTenant(tenant)).contains { $0.slot == slot }
        // An earlier revocation that was cut behind the broker is carried through.
        let isKnown = try await store.credentials(of: tenant.id).contains { $0.slot == slot.rawValue }
        guard isThere || isKnown else { return false }
        try await provisioner().revokeCredential(BusTenant(tenant), slot: slot)
        try await store.credentialRevoked(slot.rawValue, of: tenant.id)
        try await store.record("credential revoked", by: Operator.name, of: tenant.id, detail: "slot \(slot.rawValue)")
        return true
    }
}
