/// What a queue holds now.
struct QueueTotals: Decodable, Hashable {
    let name: String
    /// Ready and unacknowledged together; the broker may be some seconds behind. `nil` while the queue has no leader to ask.
    let messages: Int?
    let ready: Int?
    let unacknowledged: Int?
    /// The policy in force.
    let policy: String?

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        messages = try container.decodeIfPresent(Int.self, forKey: .messages)
        ready = try container.decodeIfPresent(Int.self, forKey: .ready)
        unacknowledged = try container.decodeIfPresent(Int.self, forKey: .unacknowledged)
        policy = try container.decodeIfPresent(String.self, forKey: .policy)
    }

    enum CodingKeys: String, CodingKey {
        case name, messages, policy
        case ready = "messages_ready"
        case unacknowledged = "messages_unacknowledged"
    }
}

/// How many consumers a queue has; `nil` while the broker has not counted yet.
struct QueueConsumers: Decodable {
    let consumers: Int?
}

extension BrokerAdministration {
    /// Of the tenant's queues that exist.
    func queueTotals(of names: Topology, in virtualHost: String) async throws(BrokerAdministrationError) -> [QueueTotals] {
        try await queueTotals(matching: TopologyPattern.beginning(with: "o311.\(names.tenant)."), in: virtualHost)
            .filter { names.queues.contains($0.name) }
    }

    /// Totals come from the queues themselves here, not from the statistics, which know a queue's policy only after seconds.
    func queueTotals(matching pattern: String, in virtualHost: String) async throws(BrokerAdministrationError) -> [QueueTotals] {
        let query = [("disable_stats", "true"), ("enable_queue_totals", "true"), ("name", pattern), ("use_regex", "true")]
        return try await list(QueueTotals.self, ["queues", virtualHost], query: query)
    }

    func consumerCount(of queue: String, in virtualHost: String) async throws(BrokerAdministrationError) -> Int? {
        try await get(QueueConsumers.self, ["queues", virtualHost, queue])?.consumers
    }
}
