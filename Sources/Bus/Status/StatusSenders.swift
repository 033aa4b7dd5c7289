import Open311
import Storage

/// The tenants of a virtual host by the name of their status exchange, looked up for each message.
struct StatusSenders {
    private let directory: TenantDirectory
    private let virtualHost: String
    private var tenants: [String: Tenant] = [:]
    /// Of the directory that they were made from: what it has read holds for the next message.
    private var generation: UInt64?

    init(_ directory: TenantDirectory, virtualHost: String) {
        self.directory = directory
        self.virtualHost = virtualHost
    }

    mutating func tenant(exchange: String) -> Tenant? {
        let snapshot = directory.current
        if generation == snapshot.generation { return tenants[exchange] }
        let host = virtualHost
        let own = snapshot.tenants.filter { $0.virtualHost == host }
        tenants = Dictionary(own.map { (Topology(tenant: $0.key).statusExchange, $0) }, uniquingKeysWith: { first, _ in first })
        generation = snapshot.generation
        return tenants[exchange]
    }
}
