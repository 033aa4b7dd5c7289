/// A broker user of one of the product's own services. Operators make it and keep its password; provisioning keeps its permissions.
public enum ServiceAccount: String, Sendable, Hashable, CaseIterable {
    case relay = "svc.relay"
    case statusIngest = "svc.status-ingest"
    case redrive = "svc.redrive"
    /// Reads the state of queues over the management API, which shows a virtual host to those who may do something there, or nothing.
    case monitor = "svc.monitor"

    /// What the account may do on the broker as a whole.
    var tags: Set<String> { self == .monitor ? ["monitoring"] : [] }

    /// The least each service can work with. None declares anything.
    var permission: Permission {
        switch self {
        case .relay:
            Permission(
                user: rawValue,
                configure: TopologyPattern.nothing,
                write: TopologyPattern.ofAnyTenant("out"),
                read: TopologyPattern.nothing
            )
        case .statusIngest:
            Permission(
                user: rawValue,
                configure: TopologyPattern.nothing,
                write: TopologyPattern.nothing,
                read: TopologyPattern.anyStatusQueue
            )
        case .redrive:
            Permission(
                user: rawValue,
                configure: TopologyPattern.nothing,
                write: TopologyPattern.ofAnyTenant("out"),
                read: TopologyPattern.anyDeadQueue
            )
        case .monitor:
            Permission(
                user: rawValue, configure: TopologyPattern.nothing, write: TopologyPattern.nothing, read: TopologyPattern.nothing)
        }
    }
}
