import Open311

/// What provisioning needs to know of a tenant.
public struct BusTenant: Sendable, Hashable {
    public var key: TenantKey
    /// The virtual host that holds its objects: shared, or its own.
    public var virtualHost: String
    /// Whether the CRM may consume its own dead letters.
    public var readsDeadLetters: Bool

    public init(key: TenantKey, virtualHost: String, readsDeadLetters: Bool = false) {
        self.key = key
        self.virtualHost = virtualHost
        self.readsDeadLetters = readsDeadLetters
    }

    public init(_ tenant: Tenant) { self.init(key: tenant.key, virtualHost: tenant.virtualHost) }

    public var topology: Topology { Topology(tenant: key) }
}
