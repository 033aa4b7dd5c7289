import Open311

extension BrokerTopology {
    /// What a virtual host needs before its first tenant: policies, the shared dead-letter objects and the services' permissions.
    ///
    /// - Parameter serviceAccounts: those that exist on the broker; provisioning gives them their permissions in this virtual
    ///   host, but does not make them: their passwords are the operator's.
    public static func installation(virtualHost: String, serviceAccounts: [ServiceAccount] = ServiceAccount.allCases) -> BrokerTopology {
        var wanted = BrokerTopology(virtualHost: virtualHost, virtualHostExists: true)
        wanted.policies = .standard
        wanted.operatorPolicies = [.ceiling]
        wanted.exchanges = [
            Exchange(name: SharedTopology.deadLetterExchange, type: "topic", isInternal: true),
            Exchange(name: SharedTopology.statusDeadLetterExchange, type: "topic", isInternal: true),
            Exchange(name: SharedTopology.strayExchange, type: "fanout"),
        ]
        wanted.queues = [.quorum(SharedTopology.statusDeadQueue), .quorum(SharedTopology.strayQueue)]
        wanted.bindings = [
            Binding(exchange: SharedTopology.statusDeadLetterExchange, queue: SharedTopology.statusDeadQueue, routingKey: "#"),
            Binding(exchange: SharedTopology.strayExchange, queue: SharedTopology.strayQueue, routingKey: ""),
        ]
        wanted.permissions = serviceAccounts.map(\.permission)
        return wanted
    }

    /// What one tenant needs.
    ///
    /// - Parameter slots: the credential slots to have a user; those in use, or `a` to begin with.
    public static func tenant(_ tenant: BusTenant, slots: [CredentialSlot]) -> BrokerTopology {
        let names = tenant.topology
        var wanted = BrokerTopology(virtualHost: tenant.virtualHost, virtualHostExists: true)
        wanted.policies = .overrides(of: tenant)
        wanted.exchanges = names.exchanges.map { Exchange(name: $0, type: "topic") }
        wanted.queues = names.queues.map(Queue.quorum)
        wanted.bindings = names.bindings
        wanted.users = slots.map { BrokerUser(name: names.user($0)) }
        wanted.permissions = slots.map { names.permission($0, readsDeadLetters: tenant.readsDeadLetters) }
        wanted.topicPermissions = slots.map(names.topicPermission)
        wanted.limits = slots.map {
            UserLimits(user: names.user($0), maximumConnections: tenant.limits.connections, maximumChannels: tenant.limits.channels)
        }
        return wanted
    }

    /// Both together; the virtual host is the same.
    func adding(_ other: BrokerTopology) -> BrokerTopology {
        var sum = self
        sum.policies += other.policies
        sum.operatorPolicies += other.operatorPolicies
        sum.exchanges += other.exchanges
        sum.queues += other.queues
        sum.bindings += other.bindings
        sum.users += other.users
        sum.permissions += other.permissions
        sum.topicPermissions += other.topicPermissions
        sum.limits += other.limits
        return sum
    }
}

extension Topology {
    /// Receipts share the exchange with events, hence patterns by entity and not one for all.
    fileprivate var bindings: [Binding] {
        [
            Binding(exchange: outExchange, queue: requestQueue, routingKey: routingKey("service_request.#")),
            Binding(exchange: outExchange, queue: requestQueue, routingKey: routingKey("reference_data.#")),
            Binding(exchange: outExchange, queue: requestQueue, routingKey: routingKey("bus.#")),
            Binding(exchange: outExchange, queue: receiptsQueue, routingKey: routingKey("status_update.accepted")),
            Binding(exchange: outExchange, queue: receiptsQueue, routingKey: routingKey("status_update.rejected")),
            Binding(exchange: statusExchange, queue: statusQueue, routingKey: routingKey("status_update.#")),
            Binding(exchange: SharedTopology.deadLetterExchange, queue: deadQueue, routingKey: routingKey("#")),
        ]
    }

    fileprivate func permission(_ slot: CredentialSlot, readsDeadLetters: Bool) -> Permission {
        Permission(
            user: user(slot),
            configure: TopologyPattern.nothing,
            write: TopologyPattern.exactly(statusExchange),
            read: readsDeadLetters
                ? TopologyPattern.exactly(requestQueue, receiptsQueue, deadQueue) : TopologyPattern.exactly(requestQueue, receiptsQueue)
        )
    }

    fileprivate func topicPermission(_ slot: CredentialSlot) -> TopicPermission {
        TopicPermission(
            user: user(slot),
            exchange: statusExchange,
            write: TopologyPattern.beginning(with: routingKey("status_update.")),
            read: TopologyPattern.nothing
        )
    }
}
