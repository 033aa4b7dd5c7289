import Open311

extension Provisioner {
    /// Users that are neither of a tenant there nor ours, and may do something in a virtual host: whoever may read there reads every
    /// tenant's messages. Administrators of the broker are left out, who may do anything anywhere. Changes nothing.
    ///
    /// - Parameter tenants: of this virtual host, all of them.
    public func strangers(in virtualHost: String, beside tenants: [BusTenant]) async throws(ProvisioningError) -> [ProvisioningChange] {
        do { return try await found(in: virtualHost, beside: tenants) } catch { throw .broker(error) }
    }

    func found(in virtualHost: String, beside tenants: [BusTenant]) async throws(BrokerAdministrationError) -> [ProvisioningChange] {
        let own = Set(
            ServiceAccount.allCases.map(\.rawValue) + tenants.flatMap { tenant in CredentialSlot.allCases.map(tenant.topology.user) })
        var notices: [ProvisioningChange] = []
        for permission in try await broker.get([Permission].self, ["vhosts", virtualHost, "permissions"]) ?? [] {
            guard !own.contains(permission.user), permission.allows,
                try await broker.user(permission.user)?.user.tags.contains("administrator") != true
            else {
                continue
            }
            notices.append(
                ProvisioningChange(
                    .notice, .permission, permission.user,
                    details: [
                        "it is neither ours nor of a tenant there, and may configure \(permission.configure), write \(permission.write), "
                            + "read \(permission.read) in the virtual host \(virtualHost)"
                    ],
                    remedy: "rabbitmqctl clear_permissions -p \(virtualHost) \(permission.user), unless it was given on purpose",
                    step: .none))
        }
        return notices
    }
}

extension Permission {
    private static let nothing: Set = ["", "^$"]

    /// Anything at all.
    fileprivate var allows: Bool { ![configure, write, read].allSatisfy(Self.nothing.contains) }
}
