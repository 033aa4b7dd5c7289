import Open311
import Storage

/// The tenants of a virtual host by the name of their status exchange, looked up for each message.
struct StatusSenders {
    private let directory: TenantDirectory
    private let virtualHost: String
    private var tenants: [String: Tenant] = [:]
    private var readAt: ContinuousClock.Instant?

    /// What has changed of a tenant counts after so long at the latest.
    private static let freshness = Duration.milliseconds(100)

    init(_ directory: TenantDirectory, virtualHost: String) {
        self.directory = directory
        self.virtualHost = virtualHost
    }

    mutating func tenant(exchange: String) -> Tenant? {
        if let readAt, readAt.advanced(by: Self.freshness) > .now, let tenant = tenants[exchange] { return tenant }
        let host = virtualHost
        let own = directory.current.tenants.filter { $0.virtualHost == host }
        tenants = Dictionary(own.map { (Topology(tenant: $0.key).statusExchange, $0) }, uniquingKeysWith: { first, _ in first })
        readAt = .now
        return tenants[exchange]
    }
}
