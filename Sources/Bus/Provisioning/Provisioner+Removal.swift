import Open311

/// Off-boarding.
extension Provisioner {
    /// Removes everything the tenant has on the broker: users first, so that nobody reconnects, then bindings, so that nothing
    /// more arrives, then queues and exchanges. The virtual host stays.
    ///
    /// - Parameter force: remove queues that still hold messages, and lose those.
    /// - Returns: what was removed, in order; empty when nothing was left.
    /// - Throws: ``ProvisioningError``. `queuesNotEmpty` is usually thrown before anything was removed, and the CRM can go on
    ///   consuming. Messages that arrive while the removal runs are found once the bindings are gone; it ends there, with
    ///   queues and exchanges still in place.
    @discardableResult
    public func delete(_ tenant: BusTenant, force: Bool = false) async throws(ProvisioningError) -> [String] {
        if !force { try await requireEmptyQueues(of: tenant) }
        var removed = try await removeUsersAndBindings(of: tenant)
        if !force, !removed.isEmpty {
            do { try await Task.sleep(for: statisticsDelay) } catch { throw .cancelled }
            try await requireEmptyQueues(of: tenant)
        }
        removed += try await removeQueuesAndExchanges(of: tenant)
        return removed
    }

    /// The tenant's queues that hold messages; how many is nil while a queue cannot say.
    public func waitingMessages(_ tenant: BusTenant) async throws(ProvisioningError) -> [(queue: String, messages: Int?)] {
        do {
            return try await broker.queueTotals(of: tenant.topology, in: tenant.virtualHost).filter { $0.messages != 0 }.map {
                (queue: $0.name, messages: $0.messages)
            }
        } catch {
            throw .broker(error)
        }
    }

    private func requireEmptyQueues(of tenant: BusTenant) async throws(ProvisioningError) {
        let filled: [QueueTotals]
        do {
            filled = try await broker.queueTotals(of: tenant.topology, in: tenant.virtualHost).filter { $0.messages != 0 }
        } catch {
            throw .broker(error)
        }
        guard filled.isEmpty else {
            throw .queuesNotEmpty(filled.map { "\($0.name) (\($0.messages.map(String.init) ?? "number unknown"))" })
        }
    }

    private func removeUsersAndBindings(of tenant: BusTenant) async throws(ProvisioningError) -> [String] {
        do throws(BrokerAdministrationError) {
            var removed: [String] = []
            for user in CredentialSlot.allCases.map(tenant.topology.user) where try await broker.user(user) != nil {
                try await broker.deleteUser(user)
                removed.append("user \(user)")
            }
            for found in try await LiveTopology.read(.tenant(tenant, slots: []), from: broker).bindings {
                try await broker.delete(found, in: tenant.virtualHost)
                removed.append("binding \(found.binding.exchange) → \(found.binding.queue)")
            }
            return removed
        } catch {
            throw .broker(error)
        }
    }

    private func removeQueuesAndExchanges(of tenant: BusTenant) async throws(ProvisioningError) -> [String] {
        do throws(BrokerAdministrationError) {
            var removed: [String] = []
            let live = try await LiveTopology.read(.tenant(tenant, slots: []), from: broker)
            for queue in live.queues {
                try await broker.deleteQueue(queue.name, in: tenant.virtualHost)
                removed.append("queue \(queue.name)")
            }
            for exchange in live.exchanges {
                try await broker.deleteExchange(exchange.name, in: tenant.virtualHost)
                removed.append("exchange \(exchange.name)")
            }
            for policy in live.policies where tenant.topology.queues.contains(policy.name) {
                try await broker.deletePolicy(policy.name, in: tenant.virtualHost)
                removed.append("policy \(policy.name)")
            }
            return removed
        } catch {
            throw .broker(error)
        }
    }
}
