/// Brings a tenant's objects on the broker to what they should be, and takes them away.
///
/// Every operation may be interrupted anywhere and run again: it looks first and does what is left. Two of them on one tenant
/// at the same time do no harm either.
public struct Provisioner: Sendable {
    let broker: BrokerAdministration
    /// How long the broker's counters may be behind, in ``delete(_:force:)``.
    let statisticsDelay: Duration
    /// Whether queues may be promised more than the disk has: for a demonstration, whose queues stay small.
    let overcommits: Bool

    public init(broker: BrokerAdministration, statisticsDelay: Duration = .seconds(6), overcommits: Bool = false) {
        self.broker = broker
        self.statisticsDelay = statisticsDelay
        self.overcommits = overcommits
    }

    /// What differs from what the tenant and its virtual host need. Changes nothing.
    public func plan(_ tenant: BusTenant) async throws(ProvisioningError) -> ProvisioningPlan {
        do { return try await comparison(tenant) } catch { throw .broker(error) }
    }

    /// What differs from what a virtual host needs before its first tenant. Changes nothing.
    public func planInstallation(virtualHost: String) async throws(ProvisioningError) -> ProvisioningPlan {
        do { return try await comparison(virtualHost: virtualHost) } catch { throw .broker(error) }
    }

    func comparison(_ tenant: BusTenant) async throws(BrokerAdministrationError) -> ProvisioningPlan {
        var slots = try await usedSlots(tenant)
        for slot in CredentialSlot.allCases where slots.count < tenant.slots && !slots.contains(slot) { slots.append(slot) }
        let installation = try await wantedInstallation(virtualHost: tenant.virtualHost)
        let wanted = installation.adding(.tenant(tenant, slots: slots.sorted { $0.rawValue < $1.rawValue }))
        return ProvisioningPlan(from: try await LiveTopology.read(wanted, from: broker), to: wanted)
    }

    func comparison(virtualHost: String) async throws(BrokerAdministrationError) -> ProvisioningPlan {
        let wanted = try await wantedInstallation(virtualHost: virtualHost)
        return ProvisioningPlan(from: try await LiveTopology.read(wanted, from: broker), to: wanted)
    }

    /// Whether ``apply(_:willChange:)`` would be refused as a whole: something stands in its way, or the disk has no room. Changes
    /// nothing.
    public func check(_ tenant: BusTenant) async throws(ProvisioningError) {
        let plan = try await plan(tenant)
        guard plan.conflicts.isEmpty else { throw .conflicts(plan.conflicts) }
        if !overcommits { try await requireRoom(for: plan) }
    }

    /// Makes every change of the plan, in its order.
    ///
    /// - Parameter willChange: called before each change, to show progress; what it throws ends the work between two changes.
    /// - Returns: what was changed.
    /// - Throws: ``ProvisioningError``. On `conflicts` and `noRoom` nothing was changed.
    @discardableResult
    public func apply(
        _ tenant: BusTenant,
        willChange: (ProvisioningChange) async throws(ProvisioningError) -> Void = { _ in }
    ) async throws(ProvisioningError) -> ProvisioningPlan {
        try await apply(try await plan(tenant), willChange: willChange)
    }

    /// The same for a virtual host without tenants yet.
    @discardableResult
    public func applyInstallation(virtualHost: String) async throws(ProvisioningError) -> ProvisioningPlan {
        try await apply(try await planInstallation(virtualHost: virtualHost)) { _ in }
    }

    private func apply(
        _ plan: ProvisioningPlan,
        willChange: (ProvisioningChange) async throws(ProvisioningError) -> Void
    ) async throws(ProvisioningError) -> ProvisioningPlan {
        guard plan.conflicts.isEmpty else { throw .conflicts(plan.conflicts) }
        if !overcommits { try await requireRoom(for: plan) }
        for change in plan.work {
            try await willChange(change)
            do {
                try await broker.perform(change.step, in: plan.virtualHost)
            } catch {
                throw .broker(error)
            }
        }
        return plan
    }

    private func wantedInstallation(virtualHost: String) async throws(BrokerAdministrationError) -> BrokerTopology {
        var accounts: [ServiceAccount] = []
        for account in ServiceAccount.allCases where try await broker.user(account.rawValue) != nil { accounts.append(account) }
        return .installation(virtualHost: virtualHost, serviceAccounts: accounts)
    }

    /// The slots that have a user, with a password or not.
    func usedSlots(_ tenant: BusTenant) async throws(BrokerAdministrationError) -> [CredentialSlot] {
        var slots: [CredentialSlot] = []
        for slot in CredentialSlot.allCases where try await broker.user(tenant.topology.user(slot)) != nil { slots.append(slot) }
        return slots
    }
}

extension BrokerAdministration {
    func perform(_ step: ProvisioningStep, in virtualHost: String) async throws(BrokerAdministrationError) {
        switch step {
        case .putVirtualHost: try await putVirtualHost(virtualHost)
        case .putPolicy(let policy): try await put(policy, isOperators: false, in: virtualHost)
        case .deletePolicy(let name): try await deletePolicy(name, in: virtualHost)
        case .putOperatorPolicy(let policy): try await put(policy, isOperators: true, in: virtualHost)
        case .putExchange(let exchange): try await put(exchange, in: virtualHost)
        case .putQueue(let queue): try await put(queue, in: virtualHost)
        case .addBinding(let binding): try await add(binding, in: virtualHost)
        case .deleteBinding(let found): try await delete(found, in: virtualHost)
        case .putUser(let name): try await putUser(name, passwordHash: "")
        case .clearTags(let user): try await clearTags(of: user)
        case .putPermission(let permission):
            try await put(permission, in: virtualHost)
            try await closeConnections(of: permission.user)
        case .deletePermission(let user, let other):
            try await deletePermission(of: user, in: other)
            try await closeConnections(of: user)
        case .setTopicPermissions(let user, let place, let permissions, let clearsFirst):
            // The broker can only delete all of a user's at once, and none at all means "everything is allowed".
            if clearsFirst { try await deleteTopicPermissions(of: user, in: place) }
            for permission in permissions { try await put(permission, in: place) }
            try await closeConnections(of: user)
        case .putLimits(let limits): try await put(limits)
        case .none: break
        }
    }
}
