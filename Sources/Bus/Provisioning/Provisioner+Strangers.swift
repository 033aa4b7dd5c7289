import Open311

extension Provisioner {
    /// What is nobody's of ours in a virtual host: users that may do something there, for whoever may read reads every tenant's messages
    /// (administrators of the broker are left out, who may do anything anywhere); and objects that bear our names and belong to no tenant.
    /// Changes nothing.
    ///
    /// - Parameter tenants: of this virtual host, all of them.
    public func strangers(in virtualHost: String, beside tenants: [BusTenant]) async throws(ProvisioningError) -> [ProvisioningChange] {
        do { return try await found(in: virtualHost, beside: tenants) } catch { throw .broker(error) }
    }

    /// Tags that our own accounts do not need, in any virtual host. Changes nothing.
    public func needlessTags() async throws(ProvisioningError) -> [ProvisioningChange] {
        do { return try await foundTags() } catch { throw .broker(error) }
    }

    func found(in virtualHost: String, beside tenants: [BusTenant]) async throws(BrokerAdministrationError) -> [ProvisioningChange] {
        try await foreignUsers(in: virtualHost, beside: tenants) + (try await foreignObjects(in: virtualHost, beside: tenants))
    }

    private func foreignUsers(
        in virtualHost: String, beside tenants: [BusTenant]
    ) async throws(BrokerAdministrationError) -> [ProvisioningChange] {
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

    /// Operators make the accounts of our services, and may have given one more than it works with.
    func foundTags() async throws(BrokerAdministrationError) -> [ProvisioningChange] {
        var notices: [ProvisioningChange] = []
        for account in ServiceAccount.allCases {
            guard let found = try await broker.user(account.rawValue)?.user.foreignTags(beside: account.tags), !found.isEmpty else {
                continue
            }
            let wanted = account.tags.sorted().joined(separator: " ")
            notices.append(
                ProvisioningChange(
                    .notice, .user, account.rawValue,
                    details: ["it has the tags \(found.joined(separator: ", ")), wanted \(wanted.isEmpty ? "none" : "only \(wanted)")"],
                    remedy: "rabbitmqctl set_user_tags \(account.rawValue)\(wanted.isEmpty ? "" : " " + wanted)", step: .none))
        }
        return notices
    }

    /// Queues and exchanges of our names that no tenant has: made by hand, or left by a tenant that a restored database does not know.
    private func foreignObjects(
        in virtualHost: String, beside tenants: [BusTenant]
    ) async throws(BrokerAdministrationError) -> [ProvisioningChange] {
        let shared = BrokerTopology.installation(virtualHost: virtualHost, serviceAccounts: [])
        let queues = Set(shared.queues.map(\.name) + tenants.flatMap(\.topology.queues))
        let exchanges = Set(shared.exchanges.map(\.name) + tenants.flatMap(\.topology.exchanges))
        let ours = [("columns", "name"), ("disable_stats", "true"), ("name", TopologyPattern.anything), ("use_regex", "true")]
        let foundQueues = try await broker.list(NamedObject.self, ["queues", virtualHost], query: ours)
        let foundExchanges = try await broker.list(NamedObject.self, ["exchanges", virtualHost], query: ours)
        let keys = Set(tenants.map(\.topology.tenant.rawValue))
        func notices(_ found: [NamedObject], _ known: Set<String>, _ kind: ProvisioningChange.Object, _ remedy: (String) -> String)
            -> [ProvisioningChange]
        {
            found.map(\.name).filter { !known.contains($0) }.sorted().map { name in
                let words = name.split(separator: ".", omittingEmptySubsequences: false)
                let owner = words.count > 1 ? String(words[1]) : ""
                return ProvisioningChange(
                    .notice, kind, name,
                    details: [
                        keys.contains(owner)
                            ? "it is none of \(owner)'s objects"
                            : "it bears a name of ours, and there is no tenant of it in the virtual host \(virtualHost)"
                    ],
                    remedy: remedy(name), step: .none)
            }
        }
        return notices(foundQueues, queues, .queue) {
            "Look at what is in it; then rabbitmqctl delete_queue -p \(virtualHost) \($0), unless it was made on purpose"
        }
            + notices(foundExchanges, exchanges, .exchange) { _ in
                "The management page deletes it, or DELETE /api/exchanges/\(virtualHost)/ and its name, unless it was made on purpose"
            }
    }
}

extension Permission {
    private static let nothing: Set = ["", "^$"]

    /// Anything at all.
    fileprivate var allows: Bool { ![configure, write, read].allSatisfy(Self.nothing.contains) }
}
