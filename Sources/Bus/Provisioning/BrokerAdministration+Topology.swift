/// Reading and changing single objects, with the broker's own paths and field names.
extension BrokerAdministration {
    // MARK: Reading

    func virtualHostExists(_ name: String) async throws(BrokerAdministrationError) -> Bool {
        try await get(NamedObject.self, ["vhosts", name]) != nil
    }

    func policies(in virtualHost: String) async throws(BrokerAdministrationError) -> [Policy] {
        try await get([Policy].self, ["policies", virtualHost]) ?? []
    }

    func operatorPolicies(in virtualHost: String) async throws(BrokerAdministrationError) -> [Policy] {
        try await get([Policy].self, ["operator-policies", virtualHost]) ?? []
    }

    func exchange(_ name: String, in virtualHost: String) async throws(BrokerAdministrationError) -> Exchange? {
        try await get(Exchange.self, ["exchanges", virtualHost, name])
    }

    func queue(_ name: String, in virtualHost: String) async throws(BrokerAdministrationError) -> Queue? {
        try await get(Queue.self, ["queues", virtualHost, name])
    }

    /// Bindings of an exchange to anything, and of anything to a queue.
    func bindings(ofExchange name: String, in virtualHost: String) async throws(BrokerAdministrationError) -> [FoundBinding] {
        try await get([FoundBinding].self, ["exchanges", virtualHost, name, "bindings", "source"]) ?? []
    }

    func bindings(ofQueue name: String, in virtualHost: String) async throws(BrokerAdministrationError) -> [FoundBinding] {
        // Every queue is bound to the default exchange, which no one can change.
        try await get([FoundBinding].self, ["queues", virtualHost, name, "bindings"])?.filter { !$0.binding.exchange.isEmpty } ?? []
    }

    func user(_ name: String) async throws(BrokerAdministrationError) -> FoundUser? {
        try await get(FoundUser.self, ["users", name])
    }

    /// In every virtual host.
    func permissions(of user: String) async throws(BrokerAdministrationError) -> [InVirtualHost<Permission>] {
        try await get([InVirtualHost<Permission>].self, ["users", user, "permissions"]) ?? []
    }

    /// In every virtual host.
    func topicPermissions(of user: String) async throws(BrokerAdministrationError) -> [InVirtualHost<TopicPermission>] {
        try await get([InVirtualHost<TopicPermission>].self, ["users", user, "topic-permissions"]) ?? []
    }

    // MARK: Changing

    func putVirtualHost(_ name: String) async throws(BrokerAdministrationError) {
        try await put(["vhosts", name], BrokerArguments())
    }

    func put(_ policy: Policy, isOperators: Bool, in virtualHost: String) async throws(BrokerAdministrationError) {
        try await put([isOperators ? "operator-policies" : "policies", virtualHost, policy.name], policy)
    }

    func deletePolicy(_ name: String, in virtualHost: String) async throws(BrokerAdministrationError) {
        try await delete(["policies", virtualHost, name])
    }

    func put(_ exchange: Exchange, in virtualHost: String) async throws(BrokerAdministrationError) {
        try await put(["exchanges", virtualHost, exchange.name], exchange)
    }

    func deleteExchange(_ name: String, in virtualHost: String) async throws(BrokerAdministrationError) {
        try await delete(["exchanges", virtualHost, name])
    }

    func put(_ queue: Queue, in virtualHost: String) async throws(BrokerAdministrationError) {
        try await put(["queues", virtualHost, queue.name], queue)
    }

    func deleteQueue(_ name: String, in virtualHost: String) async throws(BrokerAdministrationError) {
        try await delete(["queues", virtualHost, name])
    }

    func add(_ binding: Binding, in virtualHost: String) async throws(BrokerAdministrationError) {
        try await post(
            ["bindings", virtualHost, "e", binding.exchange, "q", binding.queue],
            ["routing_key": .text(binding.routingKey), "arguments": .table(binding.arguments)] as BrokerArguments
        )
    }

    func delete(_ found: FoundBinding, in virtualHost: String) async throws(BrokerAdministrationError) {
        let kind = found.destinationType == "queue" ? "q" : "e"
        try await delete(["bindings", virtualHost, "e", found.binding.exchange, kind, found.binding.queue, found.propertiesKey])
    }

    /// Makes the user, or replaces the password of one that is there and takes its tags away. An empty hash is no password at all.
    func putUser(_ name: String, passwordHash: String) async throws(BrokerAdministrationError) {
        let hashed: BrokerArguments = ["password_hash": .text(passwordHash), "hashing_algorithm": .text(PasswordHash.sha256), "tags": ""]
        try await put(["users", name], hashed)
    }

    /// Takes the user's tags away, but for the one that says how it logs in, and leaves its password as it is.
    func clearTags(of user: String) async throws(BrokerAdministrationError) {
        guard let hash = try await get(PasswordHash.self, ["users", user]) else { return }
        let kept = try await self.user(user)?.user.logsInByCertificate == true ? BrokerUser.certificateTag : ""
        try await put(
            ["users", user],
            ["password_hash": .text(hash.value), "hashing_algorithm": .text(hash.algorithm), "tags": .text(kept)] as BrokerArguments
        )
    }

    /// The broker closes the user's connections.
    func deleteUser(_ name: String) async throws(BrokerAdministrationError) {
        try await delete(["users", name])
    }

    func put(_ permission: Permission, in virtualHost: String) async throws(BrokerAdministrationError) {
        try await put(["permissions", virtualHost, permission.user], permission)
    }

    func deletePermission(of user: String, in virtualHost: String) async throws(BrokerAdministrationError) {
        try await delete(["permissions", virtualHost, user])
    }

    func put(_ permission: TopicPermission, in virtualHost: String) async throws(BrokerAdministrationError) {
        try await put(["topic-permissions", virtualHost, permission.user], permission)
    }

    func deleteTopicPermissions(of user: String, in virtualHost: String) async throws(BrokerAdministrationError) {
        try await delete(["topic-permissions", virtualHost, user])
    }

    func put(_ limits: UserLimits) async throws(BrokerAdministrationError) {
        try await put(["user-limits", limits.user, "max-connections"], ["value": limits.maximumConnections])
        try await put(["user-limits", limits.user, "max-channels"], ["value": limits.maximumChannels])
    }

    /// Permissions are remembered by open channels: what was taken away is only gone with the connection. The broker answers with 500 for
    /// one that is just ending by itself, and has no word for when it has ended: what is listed a moment later is closed again.
    func closeConnections(of user: String) async throws(BrokerAdministrationError) {
        for attempt in 1...4 {
            var mayRemain = false
            for connection in try await get([NamedObject].self, ["connections", "username", user]) ?? [] {
                do throws(BrokerAdministrationError) {
                    try await delete(["connections", connection.name])
                } catch {
                    guard case .refused(_, 500, _) = error, attempt < 4 else { throw error }
                    mayRemain = true
                }
            }
            guard mayRemain else { return }
            try? await Task.sleep(for: .milliseconds(500))
        }
    }
}
