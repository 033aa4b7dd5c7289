import Open311

/// Reads what the broker says of tenants' queues; changes nothing. Its user needs the tag `monitoring` and no permission.
public struct BrokerMonitor: Sendable {
    private let broker: BrokerAdministration

    public init(broker: BrokerAdministration) { self.broker = broker }

    /// What the queues of one virtual host hold and who consumes them.
    public struct View: Sendable {
        /// By the name of the queue: messages in it, nil where the broker cannot count them now; and messages taken from it for good.
        let depths: [String: Int?]
        let taken: [String: Int]
        /// Of those, in consumers' hands.
        let unacknowledged: [String: Int]
        /// Who consumes, by the name of the queue.
        public let consumers: [String: Set<String>]
        private let connections: [String: Set<String>]

        init(
            depths: [String: Int?], taken: [String: Int], unacknowledged: [String: Int], consumers: [String: Set<String>],
            connections: [String: Set<String>]
        ) {
            self.depths = depths
            self.taken = taken
            self.unacknowledged = unacknowledged
            self.consumers = consumers
            self.connections = connections
        }

        /// Who is connected as one of the tenant's users.
        public func connections(of tenant: Topology) -> Set<String> {
            CredentialSlot.allCases.reduce(into: []) { $0.formUnion(connections[tenant.user($1)] ?? []) }
        }

        /// Messages of the tenant's request queue in consumers' hands.
        public func unacknowledged(of tenant: Topology) -> Int { unacknowledged[tenant.requestQueue] ?? 0 }

        /// Messages in the tenant's dead queue.
        public func dead(of tenant: Topology) -> Int { depths[tenant.deadQueue].flatMap { $0 } ?? 0 }

        /// The tenant's request queue.
        public func sight(of tenant: Topology, at now: ContinuousClock.Instant) -> QueueSight {
            guard let known = depths[tenant.requestQueue] else { return .gone }
            guard let depth = known else { return .uncounted }
            return .sample(
                QueueSample(
                    at: now, depth: depth, taken: taken[tenant.requestQueue] ?? 0, dead: dead(of: tenant) + (taken[tenant.deadQueue] ?? 0)))
        }
    }

    public func view(of virtualHost: String) async throws(BrokerAdministrationError) -> View {
        // First the queues themselves, then the counters: what is taken in between is counted as an explanation too early, never
        // too late.
        let depths = try await broker.queueTotals(matching: TopologyPattern.anything, in: virtualHost)
        let counters = try await broker.list(
            QueueCounters.self, ["queues", virtualHost],
            query: [
                ("columns", "name,message_stats.ack,message_stats.get_no_ack,message_stats.deliver_no_ack"),
                ("name", TopologyPattern.anything), ("use_regex", "true"),
            ])
        let found = try await broker.get([FoundConsumer].self, ["consumers", virtualHost]) ?? []
        let connections = try await broker.list(
            FoundConnection.self, ["connections"], query: [("columns", "name,user,peer_host,user_provided_name")])
        let names = Dictionary(connections.map { ($0.name, $0.description) }, uniquingKeysWith: { first, _ in first })
        var consumers: [String: Set<String>] = [:]
        for consumer in found { consumers[consumer.queue, default: []].insert(names[consumer.connection] ?? consumer.description) }
        var users: [String: Set<String>] = [:]
        for connection in connections { users[connection.user ?? "", default: []].insert(connection.description) }
        return View(
            depths: Dictionary(depths.map { ($0.name, $0.messages) }, uniquingKeysWith: { first, _ in first }),
            taken: Dictionary(counters.map { ($0.name, $0.taken) }, uniquingKeysWith: { first, _ in first }),
            unacknowledged: Dictionary(depths.map { ($0.name, $0.unacknowledged ?? 0) }, uniquingKeysWith: { first, _ in first }),
            consumers: consumers,
            connections: users)
    }

    /// What differs from what provisioning made, as far as a user without rights can see: policies, exchanges, queues, bindings.
    ///
    /// - Returns: for each tenant with a difference, what it is.
    public func drift(of tenants: [BusTenant], in virtualHost: String) async throws(BrokerAdministrationError) -> [BusTenant: [String]] {
        let policies = try await broker.policies(in: virtualHost)
        let queues = Dictionary(
            try await broker.queueTotals(matching: TopologyPattern.anything, in: virtualHost).map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first })
        let exchanges = Set(try await broker.get([NamedObject].self, ["exchanges", virtualHost])?.map(\.name) ?? [])
        let bindings = Set(try await broker.get([FoundBinding].self, ["bindings", virtualHost])?.map(\.binding) ?? [])
        var drift: [BusTenant: [String]] = [:]
        for tenant in tenants {
            let wanted = BrokerTopology.tenant(tenant, slots: [])
            var differences = wanted.exchanges.filter { !exchanges.contains($0.name) }.map { "exchange \($0.name) is missing" }
            for queue in wanted.queues {
                if let found = queues[queue.name] {
                    differences += PolicyCheck(found, policies: policies)?.faults.map { "\(queue.name): \($0)" } ?? []
                } else {
                    differences.append("queue \(queue.name) is missing")
                }
            }
            differences += wanted.bindings.filter { !bindings.contains($0) }
                .map { "binding \($0.routingKey) from \($0.exchange) to \($0.queue) is missing" }
            let isBare = wanted.queues.allSatisfy { queues[$0.name] == nil } && wanted.exchanges.allSatisfy { !exchanges.contains($0.name) }
            if isBare { differences = ["nothing of the tenant is on the broker"] }
            if !differences.isEmpty { drift[tenant] = differences }
        }
        return drift
    }
}

/// Whether the policy in force on a queue keeps messages from being lost. A site may override ours with one of a higher priority,
/// which then has to repeat every key.
struct PolicyCheck {
    let expected: Policy
    let faults: [String]

    /// - Returns: nil for a queue that has no standard policy.
    init?(_ queue: QueueTotals, policies: [Policy]) {
        guard let expected = [Policy].standard.first(where: { $0.appliesTo == "queues" && $0.matches(queue.name) }) else { return nil }
        let effective = policies.first { $0.name == queue.policy }
        var wrong = ["dead-letter-exchange", "dead-letter-strategy", "overflow"].filter { expected.definition[$0] != nil }
            .compactMap { key -> String? in
                let found = effective?.definition[key]
                return found == expected.definition[key] ? nil : "\(key) is \(found?.description ?? "absent")"
            }
        for key in ["delivery-limit", "max-length"] where effective?.definition[key] == nil { wrong.append("\(key) is absent") }
        self.expected = expected
        faults = wrong
    }
}

extension Policy {
    func matches(_ name: String) -> Bool {
        guard let regex = try? Regex(pattern) else { return false }
        return name.contains(regex)
    }
}

private struct QueueCounters: Decodable {
    let name: String
    /// Acknowledged, or handed out without asking for an acknowledgement.
    let taken: Int

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        // Absent until something has happened, and a list when it is empty.
        let counters = (try? container.decode([String: Int].self, forKey: .statistics)) ?? [:]
        taken = counters.values.reduce(0, +)
    }

    enum CodingKeys: String, CodingKey {
        case name
        case statistics = "message_stats"
    }
}

private struct FoundConnection: Decodable, CustomStringConvertible {
    let name: String
    let user: String?
    let host: String?
    /// What the client calls itself.
    let givenName: String?

    /// As in `t.valmont-7f3a9c.a "acme-crm/2.1" from 192.0.2.7`.
    var description: String {
        let shown = givenName.map { name -> String in
            let seen = name.unicodeScalars.filter { !$0.properties.isDefaultIgnorableCodePoint && $0.value >= 32 && $0 != "\"" }
            return " \"" + String(String.UnicodeScalarView(seen.prefix(100))) + "\""
        }
        return String("\(user ?? "?")\(shown ?? "") from \(host ?? "?")".prefix(300))
    }

    enum CodingKeys: String, CodingKey {
        case name, user
        case host = "peer_host"
        case givenName = "user_provided_name"
    }
}

private struct FoundConsumer: Decodable, CustomStringConvertible {
    private struct Queue: Decodable { let name: String }
    private struct Channel: Decodable {
        let user: String?
        let connection_name: String?
        let peer_host: String?
    }

    let queue: String
    let connection: String
    private let user: String
    private let host: String

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        queue = try container.decode(Queue.self, forKey: .queue).name
        // An empty list while the channel's statistics have not come yet.
        let channel = try? container.decode(Channel.self, forKey: .channel)
        user = channel?.user ?? "?"
        connection = channel?.connection_name ?? ""
        host = channel?.peer_host ?? "?"
    }

    /// While its connection is not in the list yet.
    var description: String { String("\(user) from \(host)".prefix(300)) }

    enum CodingKeys: String, CodingKey {
        case queue
        case channel = "channel_details"
    }
}
