import Open311

extension Provisioner {
    /// Users that are neither a tenant's nor ours, and may do something in a virtual host: whoever may read there reads every tenant's
    /// messages. Administrators of the broker are left out, who may do anything anywhere. Changes nothing.
    public func strangers(in virtualHost: String) async throws(ProvisioningError) -> [ProvisioningChange] {
        do { return try await found(in: virtualHost) } catch { throw .broker(error) }
    }

    func found(in virtualHost: String) async throws(BrokerAdministrationError) -> [ProvisioningChange] {
        var notices: [ProvisioningChange] = []
        for permission in try await broker.get([Permission].self, ["vhosts", virtualHost, "permissions"]) ?? [] {
            guard permission.isOfStranger, try await broker.user(permission.user)?.user.tags.contains("administrator") != true else {
                continue
            }
            notices.append(
                ProvisioningChange(
                    .notice, .permission, permission.user,
                    details: [
                        "it is neither a tenant's user nor ours, and may configure \(permission.configure), write \(permission.write), "
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

    fileprivate var isOfStranger: Bool {
        ServiceAccount(rawValue: user) == nil && Topology.credential(ofUser: user) == nil
            && ![configure, write, read].allSatisfy(Self.nothing.contains)
    }
}
