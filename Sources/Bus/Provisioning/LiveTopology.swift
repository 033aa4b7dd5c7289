/// What the broker has of the objects a ``BrokerTopology`` names, and what hangs on them besides.
struct LiveTopology: Equatable {
    var virtualHostExists: Bool
    var policies: [Policy] = []
    var operatorPolicies: [Policy] = []
    var exchanges: [Exchange] = []
    var queues: [Queue] = []
    /// From or to any of those exchanges and queues.
    var bindings: [FoundBinding] = []
    var users: [FoundUser] = []
    /// Of the users named, in every virtual host.
    var permissions: [InVirtualHost<Permission>] = []
    var topicPermissions: [InVirtualHost<TopicPermission>] = []
}

extension LiveTopology {
    /// Reads it, object by object: the cost does not grow with the number of tenants.
    static func read(
        _ wanted: BrokerTopology,
        from broker: BrokerAdministration
    ) async throws(BrokerAdministrationError) -> LiveTopology {
        let virtualHost = wanted.virtualHost
        var live = LiveTopology(virtualHostExists: try await broker.virtualHostExists(virtualHost))
        if live.virtualHostExists {
            live.policies = try await broker.policies(in: virtualHost)
            live.operatorPolicies = try await broker.operatorPolicies(in: virtualHost)
            for exchange in wanted.exchanges {
                guard let found = try await broker.exchange(exchange.name, in: virtualHost) else { continue }
                live.exchanges.append(found)
            }
            for queue in wanted.queues {
                guard let found = try await broker.queue(queue.name, in: virtualHost) else { continue }
                live.queues.append(found)
            }
            try await live.readBindings(wanted, from: broker)
        }
        for user in Set(wanted.users.map(\.name) + wanted.permissions.map(\.user)).sorted() {
            guard let found = try await broker.user(user) else { continue }
            live.users.append(found)
            live.permissions += try await broker.permissions(of: user)
            live.topicPermissions += try await broker.topicPermissions(of: user)
        }
        return live
    }

    /// Seen from the exchanges and from the queues. The shared exchanges lead to every tenant's queues: of those, only what
    /// leads to the queues named counts.
    private mutating func readBindings(
        _ wanted: BrokerTopology,
        from broker: BrokerAdministration
    ) async throws(BrokerAdministrationError) {
        var found: Set<FoundBinding> = []
        for exchange in exchanges where exchange.name != SharedTopology.deadLetterExchange {
            found.formUnion(try await broker.bindings(ofExchange: exchange.name, in: wanted.virtualHost))
        }
        for queue in queues {
            found.formUnion(try await broker.bindings(ofQueue: queue.name, in: wanted.virtualHost))
        }
        bindings = found.sorted {
            ($0.binding.exchange, $0.binding.queue, $0.propertiesKey) < ($1.binding.exchange, $1.binding.queue, $1.propertiesKey)
        }
    }
}
