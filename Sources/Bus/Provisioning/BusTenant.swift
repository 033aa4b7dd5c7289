import Open311

/// What provisioning needs to know of a tenant.
public struct BusTenant: Sendable, Hashable {
    public var key: TenantKey
    /// The virtual host that holds its objects: shared, or its own.
    public var virtualHost: String
    /// Whether the CRM may consume its own dead letters.
    public var readsDeadLetters: Bool
    /// How many credential slots have a user when nothing is being rotated.
    public var slots: Int
    public var limits: TenantLimits

    public init(
        key: TenantKey, virtualHost: String, readsDeadLetters: Bool = false, slots: Int = 1, limits: TenantLimits = TenantLimits()
    ) {
        self.key = key
        self.virtualHost = virtualHost
        self.readsDeadLetters = readsDeadLetters
        self.slots = slots
        self.limits = limits
    }

    public init(_ tenant: Tenant) {
        self.init(
            key: tenant.key, virtualHost: tenant.virtualHost, readsDeadLetters: tenant.credentials.readsDeadLetters,
            slots: tenant.credentials.slots, limits: tenant.limits)
    }

    public var topology: Topology { Topology(tenant: key) }
}
