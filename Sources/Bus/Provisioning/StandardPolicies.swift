import Open311

private let mebibyte = 1_048_576
private let day = 86_400_000
/// Where no limit of deliveries is wanted: newer brokers give 20 to a queue that names none, older ones refuse "unlimited".
private let unlimitedDeliveries = 1_000_000

extension [Policy] {
    /// The policies of every virtual host with tenants. Lengths count messages, sizes bytes, times milliseconds.
    ///
    /// One policy at most applies to a queue, so each repeats all it needs. A full queue refuses (`reject-publish`) and the
    /// outbox keeps the rest; only what can be made again drops its oldest (`drop-head`). The same policies stand in
    /// `broker-config`, which a new broker loads at boot.
    public static let standard = [
        Policy(
            name: "o311-requests",
            pattern: TopologyPattern.ofAnyTenant("requests"),
            appliesTo: "queues",
            priority: 10,
            definition: [
                "dead-letter-exchange": .text(SharedTopology.deadLetterExchange),
                "dead-letter-strategy": "at-least-once",
                "overflow": "reject-publish",
                "delivery-limit": 10,
                "max-length": 200_000,
                "max-length-bytes": .integer(512 * mebibyte),
            ]
        ),
        Policy(
            name: "o311-dead",
            pattern: TopologyPattern.ofAnyTenant("dead"),
            appliesTo: "queues",
            priority: 10,
            definition: [
                "overflow": "reject-publish",
                "delivery-limit": .integer(unlimitedDeliveries),
                "max-length": 50_000,
                "max-length-bytes": .integer(256 * mebibyte),
                "message-ttl": .integer(30 * day),
            ]
        ),
        Policy(
            name: "o311-status-in",
            pattern: TopologyPattern.ofAnyTenant("status-in"),
            appliesTo: "queues",
            priority: 10,
            definition: [
                "dead-letter-exchange": .text(SharedTopology.statusDeadLetterExchange),
                "dead-letter-strategy": "at-least-once",
                "overflow": "reject-publish",
                "delivery-limit": 10,
                "max-length": 50_000,
                "max-length-bytes": .integer(64 * mebibyte),
            ]
        ),
        Policy(
            name: "o311-receipts",
            pattern: TopologyPattern.ofAnyTenant("receipts"),
            appliesTo: "queues",
            priority: 10,
            definition: [
                "overflow": "drop-head",
                "delivery-limit": 10,
                "max-length": 5_000,
                "max-length-bytes": .integer(16 * mebibyte),
                "message-ttl": .integer(7 * day),
            ]
        ),
        Policy(
            name: "o311-status-dead",
            pattern: TopologyPattern.exactly(SharedTopology.statusDeadQueue),
            appliesTo: "queues",
            priority: 20,
            definition: shared
        ),
        Policy(
            name: "o311-stray",
            pattern: TopologyPattern.exactly(SharedTopology.strayQueue),
            appliesTo: "queues",
            priority: 10,
            definition: shared
        ),
        Policy(
            name: "o311-status-x",
            pattern: TopologyPattern.ofAnyTenant("status"),
            appliesTo: "exchanges",
            priority: 10,
            definition: ["alternate-exchange": .text(SharedTopology.strayExchange)]
        ),
    ]

    private static let shared: BrokerArguments = [
        "overflow": "drop-head",
        "delivery-limit": .integer(unlimitedDeliveries),
        "max-length": 20_000,
        "max-length-bytes": .integer(64 * mebibyte),
        "message-ttl": .integer(30 * day),
    ]
}

extension [Policy] {
    /// The policies of one tenant alone, where its limits are not everybody's. Each bears its queue's name, and repeats every key of
    /// the standard one: policies do not add up.
    static func overrides(of tenant: BusTenant) -> [Policy] {
        let names = tenant.topology
        let lengths = [
            (names.requestQueue, tenant.limits.requestQueue), (names.deadQueue, tenant.limits.deadQueue),
            (names.statusQueue, tenant.limits.statusQueue),
        ]
        return lengths.compactMap { queue, length in
            guard !length.isStandard, let standard = standard.first(where: { $0.appliesTo == "queues" && $0.matches(queue) }) else {
                return nil
            }
            var policy = standard
            policy.name = queue
            policy.pattern = TopologyPattern.exactly(queue)
            policy.priority = Policy.overridePriority
            if let messages = length.messages { policy.definition["max-length"] = .integer(messages) }
            if let bytes = length.bytes { policy.definition["max-length-bytes"] = .integer(bytes) }
            return policy
        }
    }
}

extension Policy {
    static let overridePriority = 50
}

extension Policy {
    /// The operator policy that keeps a mistaken policy from filling the disk.
    public static let ceiling = Policy(
        name: "o311-ceiling",
        pattern: TopologyPattern.anything,
        appliesTo: "queues",
        priority: 0,
        definition: ["max-length": 1_000_000, "max-length-bytes": .integer(2_048 * mebibyte)]
    )
}
