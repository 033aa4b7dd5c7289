import Open311

/// Reads what the alerts look at: the broker's own state, and each tenant's queues. Changes nothing; its user needs the tag
/// `monitoring` and no permission.
public struct BrokerSignsReader: Sendable {
    private let broker: BrokerAdministration

    public init(broker: BrokerAdministration) { self.broker = broker }

    /// Counters that only mean something beside those of the look before.
    public struct Counters: Sendable {
        /// Acknowledged since the broker started, by the name of the queue.
        var acknowledged: [String: Int] = [:]
        /// Failed logins since each node started: by node and by when they were read, of ten minutes.
        var failedLogins: [String: [(at: Timestamp, count: Int)]] = [:]
        /// When the day on which the first certificate ends was last looked for.
        var certificatesAsked: Timestamp?

        public init() {}
    }

    // MARK: The broker

    /// - Parameters:
    ///   - isThorough: whether certificates and majorities are asked for too, which costs the broker more.
    ///   - certificateDays: how far ahead certificates matter.
    ///   - before: what is not asked for is as it was.
    public func signs(
        at now: Timestamp, isThorough: Bool, certificateDays: Int, before: BrokerSigns?, counters: inout Counters
    ) async throws(BrokerAdministrationError) -> BrokerSigns {
        let nodes = try await broker.get([NodeState].self, ["nodes"]) ?? []
        var signs = before ?? BrokerSigns()
        signs.nodesDown = nodes.filter { !$0.isRunning }.map(\.name).sorted()
        signs.hasNoMajority = 2 * signs.nodesDown.count >= max(1, nodes.count)
        signs.nodesShortOfDisk = nodes.filter(\.isShortOfDisk).map(\.name).sorted()
        signs.hasAlarm = try await !broker.check(["health", "checks", "alarms"]).passed
        signs.failedLogins = await failedLogins(of: nodes.filter(\.isRunning).map(\.name), at: now, &counters)
        guard isThorough || before == nil else { return signs }
        signs.isQuorumCritical = try await !broker.check(["health", "checks", "node-is-quorum-critical"]).passed
        signs.certificateDaysLeft = try await certificateDaysLeft(within: certificateDays, at: now, before: before, &counters)
        return signs
    }

    /// The broker says whether a certificate ends within so many days, not when: that is searched for by halves, which is ten questions for
    /// a thousand days, once an hour; otherwise one.
    private func certificateDaysLeft(
        within horizon: Int, at now: Timestamp, before: BrokerSigns?, _ counters: inout Counters
    ) async throws(BrokerAdministrationError) -> Int? {
        guard try await ends(within: horizon) else {
            counters.certificatesAsked = nil
            return nil
        }
        if let known = before?.certificateDaysLeft, let asked = counters.certificatesAsked,
            (0..<Self.certificateInterval).contains(now.seconds - asked.seconds)
        {
            return known
        }
        var (safe, late) = (-1, horizon)
        while late - safe > 1 {
            let middle = (safe + late) / 2
            if try await ends(within: middle) { late = middle } else { safe = middle }
        }
        counters.certificatesAsked = now
        return late
    }

    private static let certificateInterval: Int64 = 3_600

    private func ends(within days: Int) async throws(BrokerAdministrationError) -> Bool {
        try await !broker.check(["health", "checks", "certificate-expiration", "\(days)", "days"]).passed
    }

    private func failedLogins(of nodes: [String], at now: Timestamp, _ counters: inout Counters) async -> Int {
        let start = now.adding(seconds: -600)
        var recent = 0
        for node in nodes {
            // One that does not answer this time keeps its history: its old failures must not look new when it does.
            guard let attempts = try? await broker.get([LoginAttempts].self, ["auth", "attempts", node]) else { continue }
            let sum = attempts.reduce(0) { $0 + $1.failed }
            var history = counters.failedLogins[node, default: []]
            // A node that has started again counts from zero.
            if let last = history.last, last.count > sum { history = [] }
            history.append((now, sum))
            while history.count > 1, history[0].at < start { history.removeFirst() }
            counters.failedLogins[node] = history
            recent += sum - history[0].count
        }
        return recent
    }

    // MARK: Queues

    /// - Returns: of each tenant whose request queue is there.
    public func queues(
        of tenants: [Topology], in virtualHost: String, counters: inout Counters
    ) async throws(BrokerAdministrationError) -> [TenantKey: QueueSigns] {
        let columns =
            "name,messages,messages_unacknowledged,message_bytes,consumers,effective_policy_definition,message_stats.ack,"
            + "message_stats.get_no_ack,message_stats.deliver_no_ack"
        let found = try await broker.list(
            QueueState.self, ["queues", virtualHost],
            query: [("columns", columns), ("name", TopologyPattern.anything), ("use_regex", "true")])
        let queues = Dictionary(found.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        // While the statistics start, the broker knows queues and not yet what is in them.
        let connections = try await broker.list(ConnectedUser.self, ["connections"], query: [("columns", "user")])
        let users = Dictionary(connections.compactMap { $0.user.map { ($0, 1) } }, uniquingKeysWith: +)
        var signs: [TenantKey: QueueSigns] = [:]
        for tenant in tenants {
            guard let queue = queues[tenant.requestQueue], let depth = queue.messages, let consumers = queue.consumers else { continue }
            let before = counters.acknowledged[tenant.requestQueue]
            counters.acknowledged[tenant.requestQueue] = queue.acknowledged
            signs[tenant.tenant] = QueueSigns(
                consumers: consumers, connections: CredentialSlot.allCases.reduce(0) { $0 + (users[tenant.user($1)] ?? 0) }, depth: depth,
                unacknowledged: queue.unacknowledged ?? 0,
                // It counts from zero again after a restart.
                acknowledged: before.map { queue.acknowledged >= $0 ? queue.acknowledged - $0 : queue.acknowledged }, fill: queue.fill,
                dead: queues[tenant.deadQueue]?.messages ?? 0)
        }
        return signs
    }
}

private struct NodeState: Decodable {
    let name: String
    let isRunning: Bool
    let isShortOfDisk: Bool

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        isRunning = try container.decode(Bool.self, forKey: .running)
        // A node that is down has none, one that just came up has texts in place of numbers.
        let free = try? container.decode(Int.self, forKey: .free)
        let limit = try? container.decode(Int.self, forKey: .limit)
        isShortOfDisk = free.flatMap { free in limit.map { free < 2 * $0 } } ?? false
    }

    enum CodingKeys: String, CodingKey {
        case name, running
        case free = "disk_free"
        case limit = "disk_free_limit"
    }
}

private struct LoginAttempts: Decodable {
    let failed: Int

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        failed = (try? container.decode(Int.self, forKey: .failed)) ?? 0
    }

    enum CodingKeys: String, CodingKey { case failed = "auth_attempts_failed" }
}

private struct ConnectedUser: Decodable { let user: String? }

private struct QueueState: Decodable {
    let name: String
    let messages: Int?
    let unacknowledged: Int?
    let consumers: Int?
    let acknowledged: Int
    /// Per cent of what its policy lets it hold.
    let fill: Int

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        messages = try? container.decode(Int.self, forKey: .messages)
        unacknowledged = try? container.decode(Int.self, forKey: .unacknowledged)
        consumers = try? container.decode(Int.self, forKey: .consumers)
        let counters = (try? container.decode([String: Int].self, forKey: .statistics)) ?? [:]
        acknowledged = counters.values.reduce(0, +)
        let policy = (try? container.decode(Limits.self, forKey: .policy)) ?? Limits()
        let bytes = (try? container.decode(Int.self, forKey: .bytes)) ?? 0
        fill = max(Self.percent(messages ?? 0, of: policy.messages), Self.percent(bytes, of: policy.bytes))
    }

    private static func percent(_ value: Int, of limit: Int?) -> Int { limit.map { $0 > 0 ? min(100, value * 100 / $0) : 100 } ?? 0 }

    private struct Limits: Decodable {
        var messages: Int?
        var bytes: Int?
        enum CodingKeys: String, CodingKey {
            case messages = "max-length"
            case bytes = "max-length-bytes"
        }
    }

    enum CodingKeys: String, CodingKey {
        case name, messages, consumers
        case unacknowledged = "messages_unacknowledged"
        case bytes = "message_bytes"
        case statistics = "message_stats"
        case policy = "effective_policy_definition"
    }
}
