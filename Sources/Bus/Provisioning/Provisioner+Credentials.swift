import Foundation
import Open311

/// Rotation without interruption: issue the other slot, let the CRM change over, revoke the first. A password is never
/// replaced, because connections made with the old one would stay open.
extension Provisioner {
    /// Gives the slot a password and everything else its user needs. The password is set last: a user that is not finished
    /// cannot log in.
    ///
    /// - Throws: ``ProvisioningError``: `credentialInUse` when the slot has a password, `notProvisioned` before the first apply.
    public func issueCredential(_ tenant: BusTenant, slot: CredentialSlot) async throws(ProvisioningError) -> IssuedCredential {
        let password = BrokerPassword.random()
        let user = try await issue(slot, of: tenant) { user throws(BrokerAdministrationError) in
            try await broker.putUser(user, passwordHash: password.saltedHash())
        }
        return IssuedCredential(slot: slot, user: user, password: password, virtualHost: tenant.virtualHost)
    }

    /// Everything that the slot's user needs, then what lets it log in.
    ///
    /// - Returns: the user's name.
    func issue(
        _ slot: CredentialSlot, of tenant: BusTenant, open: (String) async throws(BrokerAdministrationError) -> Void
    ) async throws(ProvisioningError) -> String {
        let user = tenant.topology.user(slot)
        var wanted = BrokerTopology.tenant(tenant, slots: [slot])
        var live: LiveTopology
        do { live = try await LiveTopology.read(wanted, from: broker) } catch { throw .broker(error) }
        guard live.users.first?.user.isIssued != true else { throw .credentialInUse(user: user, other: slot.other) }
        let found = Set(live.queues.map(\.name) + live.exchanges.map(\.name))
        let missing = (tenant.topology.exchanges + tenant.topology.queues).filter { !found.contains($0) }
        guard missing.isEmpty else { throw .notProvisioned(virtualHost: tenant.virtualHost, missing: missing) }
        // The user's own part only: what else is amiss is the next plan's.
        wanted.exchanges = []
        wanted.queues = []
        wanted.bindings = []
        live.bindings = []
        do throws(BrokerAdministrationError) {
            for change in ProvisioningPlan(from: live, to: wanted).changes {
                try await broker.perform(change.step, in: tenant.virtualHost)
            }
            try await open(user)
        } catch {
            throw .broker(error)
        }
        return user
    }

    /// Deletes the slot's user, and closes its connections. Revoking what is not there succeeds.
    public func revokeCredential(_ tenant: BusTenant, slot: CredentialSlot) async throws(ProvisioningError) {
        let user = tenant.topology.user(slot)
        do {
            try await broker.deleteUser(user)
            // The broker does so by itself when a user goes; asking again costs nothing and covers a node that missed it.
            try await broker.closeConnections(of: user)
        } catch {
            throw .broker(error)
        }
    }

    /// The slots that have a user, with their connections of this moment.
    public func credentials(_ tenant: BusTenant) async throws(ProvisioningError) -> [CredentialState] {
        do {
            var states: [CredentialState] = []
            for slot in CredentialSlot.allCases {
                let user = tenant.topology.user(slot)
                guard let found = try await broker.user(user) else { continue }
                let connections = try await broker.connections(of: user)
                states.append(
                    CredentialState(
                        slot: slot, user: user, isIssued: found.user.isIssued, byCertificate: found.user.logsInByCertificate,
                        connections: connections))
            }
            return states
        } catch {
            throw .broker(error)
        }
    }
}

extension BrokerAdministration {
    func connections(of user: String) async throws(BrokerAdministrationError) -> [CredentialConnection] {
        var connections: [CredentialConnection] = []
        for open in try await get([NamedObject].self, ["connections", "username", user]) ?? [] {
            // The list has names only.
            let found = try await get(FoundConnection.self, ["connections", open.name])
            connections.append(
                CredentialConnection(
                    name: open.name,
                    clientName: found?.clientName.map { CleanText.singleSpaced(String($0.prefix(100))) },
                    connectedAt: found?.connectedAt.map { Date(timeIntervalSince1970: Double($0) / 1_000) },
                    channels: found?.channels,
                    peer: found?.peer,
                    product: found?.client?.product,
                    version: found?.client?.version,
                    isEncrypted: found?.isEncrypted
                )
            )
        }
        return connections
    }
}

private struct FoundConnection: Decodable {
    struct Client: Decodable {
        let product: String?
        let version: String?

        /// What a client says of itself may be of any type.
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            product = (try? container.decode(String.self, forKey: .product)).map { CleanText.singleSpaced(String($0.prefix(100))) }
            version = (try? container.decode(String.self, forKey: .version)).map { CleanText.singleSpaced(String($0.prefix(100))) }
        }

        enum CodingKeys: CodingKey { case product, version }
    }

    let clientName: String?
    /// Milliseconds since 1970.
    let connectedAt: Int?
    let channels: Int?
    let peerHost: String?
    let peerPort: Int?
    let client: Client?
    let isEncrypted: Bool?

    var peer: String? { peerHost.map { host in peerPort.map { "\(host):\($0)" } ?? host } }

    enum CodingKeys: String, CodingKey {
        case channels
        case clientName = "user_provided_name"
        case connectedAt = "connected_at"
        case peerHost = "peer_host"
        case peerPort = "peer_port"
        case client = "client_properties"
        case isEncrypted = "ssl"
    }
}

private struct ConnectedUser: Decodable {
    let user: String
}

extension Provisioner {
    /// The tenants' users that are connected now, in any virtual host.
    public func connectedCredentials() async throws(ProvisioningError) -> [(tenant: TenantKey, slot: CredentialSlot)] {
        let users: Set<String>
        do {
            users = Set(try await broker.list(ConnectedUser.self, ["connections"], query: [("columns", "user")]).map(\.user))
        } catch {
            throw .broker(error)
        }
        return users.sorted().compactMap { Topology.credential(ofUser: $0) }
    }
}
