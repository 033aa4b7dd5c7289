import Bus
import Curl
import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// Evaluates the alerts: looks at the broker, at the database and at this machine's disks, carries each alert on, and writes down what
/// is to be told. Several may run; one evaluates.
public struct AlertWatch: ServiceLifecycle.Service {
    private let store: AlertStore
    /// Nil where the watch does not look at the broker.
    private let broker: BrokerSignsReader?
    /// Nil where the watch may not look into dead queues: their letters are then only counted.
    private let deadLetters: DeadLetterLook?
    private let rules: AlertRules
    private let writer: AlertWriter
    private let interval: Duration
    private let disks: @Sendable () -> [DiskSign]
    /// Nil where nobody watches the watcher.
    private let heartbeat: AlertHeartbeat?
    private let logger: Logger
    private let report: @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void

    public init(
        store: AlertStore, broker: BrokerSignsReader?, deadLetters: DeadLetterLook? = nil, rules: AlertRules, settings: AlertSettings,
        interval: Duration,
        disks: @escaping @Sendable () -> [DiskSign], heartbeat: AlertHeartbeat?, logger: Logger,
        report: @escaping @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void
    ) {
        self.store = store
        self.broker = broker
        self.deadLetters = deadLetters
        self.rules = rules
        writer = AlertWriter(settings)
        self.interval = interval
        self.disks = disks
        self.heartbeat = heartbeat
        self.logger = logger
        self.report = report
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var memory = Memory()
            while !Task.isCancelled {
                do {
                    if let board = try await store.board(at: .now) {
                        try await look(board, &memory)
                        memory.looks += 1
                        report("alerts", true, "")
                        await heartbeat?.beat()
                    } else {
                        // Another one evaluates: what this one remembers would be old.
                        memory = Memory()
                        report("alerts", true, "another watch evaluates")
                    }
                } catch {
                    report("alerts", false, "\(error)")
                }
                try? await Task.sleep(for: interval)
            }
        }
        await store.close()
        await heartbeat?.close()
    }

    /// What is carried from one look to the next, and may be lost.
    private struct Memory {
        var looks = 0
        var counters = BrokerSignsReader.Counters()
        var broker: BrokerSigns?
        var histories: [TenantID: TenantHistory] = [:]
        var nextHistories: Timestamp?
        /// The oldest message of each queue, and when it was asked for.
        var oldest: [TenantID: (confirmed: Timestamp?, asked: Timestamp)] = [:]
        var deadLetters = DeadLetterLook.Memory()
        var nextCleaning: Timestamp?
    }

    /// Looks from one look at what changes slowly to the next: two and a half minutes' worth.
    private static let looksPerHistory: Int64 = 10
    private static let oldestInterval: Int64 = 60

    private func look(_ board: AlertBoard, _ memory: inout Memory) async throws {
        let now = board.context.now
        var installation = InstallationSigns()
        installation.disks = disks()
        installation.outboxPending = board.outboxPending
        installation.outboxAge = board.oldestPending.map { max(0, now.seconds - $0.seconds) } ?? 0
        installation.shardsWithoutLeader = Int(Tenant.shardCount) - board.shardsLed.count
        installation.heartbeatArrives = await heartbeat?.arrives
        let queues = await broker(board, &installation, &memory)
        try await readHistories(board, &memory)
        var signs: [TenantSigns] = []
        for tenant in board.tenants {
            var sign = TenantSigns(tenant: tenant.id, terms: tenant.terms, clock: LocalClock(tenant.timeZone))
            sign.queue = queues[tenant.key]
            if let queue = sign.queue { sign.deadLetterKinds = await letters(of: tenant, dead: queue.dead, &memory, now) }
            sign.oldestInQueue = try await oldest(of: tenant.id, depth: sign.queue?.depth ?? 0, &memory, now)
            sign.publishFailures = board.failures[tenant.id]?.count ?? 0
            sign.isRefused = board.failures[tenant.id]?.isRefused ?? false
            sign.rejections = board.rejections[tenant.id] ?? 0
            sign.lossIncident = board.losses[tenant.id]?.incident
            sign.lostMessages = board.losses[tenant.id]?.messages ?? 0
            sign.hasDrift = board.drifting.contains(tenant.id)
            sign.history = memory.histories[tenant.id]
            signs.append(sign)
        }
        if deadLetters != nil, memory.deadLetters.restsUntil.map({ $0 <= now }) ?? true { report("alerts-dead-letters", true, "") }
        let dead = Dictionary(
            board.open.filter { $0.key.code == .deadLetters }.compactMap { episode in episode.key.tenant.map { ($0, episode.since) } },
            uniquingKeysWith: { first, _ in first })
        let observations = AlertJudge(rules: rules).observations(installation, signs, at: now, deadSince: dead)
        let outcome = AlertEngine(rules: rules).step(board.open, observations, board.context)
        try await save(outcome, board)
        measure(outcome)
        if memory.nextCleaning.map({ $0 <= now }) ?? true {
            try await store.forget()
            memory.nextCleaning = now.adding(seconds: 3_600)
        }
    }

    // MARK: Signs

    /// - Returns: what the broker says of the tenants' queues; nothing when it says nothing.
    private func broker(
        _ board: AlertBoard, _ installation: inout InstallationSigns, _ memory: inout Memory
    ) async -> [TenantKey: QueueSigns] {
        guard let broker else { return [:] }
        do throws(BrokerAdministrationError) {
            let signs = try await broker.signs(
                at: board.context.now, isThorough: memory.looks % 4 == 0, certificateDays: Int(rules[.certExpiry].warning),
                before: memory.broker, counters: &memory.counters)
            memory.broker = signs
            installation.broker = signs
            installation.isBrokerReachable = true
            var queues: [TenantKey: QueueSigns] = [:]
            for (host, own) in Dictionary(grouping: board.tenants, by: \.virtualHost) {
                let found = try await broker.queues(of: own.map { Topology(tenant: $0.key) }, in: host, counters: &memory.counters)
                queues.merge(found) { first, _ in first }
            }
            report("alerts-management", true, "")
            return queues
        } catch {
            // It may answer all the same: what it refuses is for the health page.
            if case .unreachable = error { installation.isBrokerReachable = false } else { installation.isBrokerReachable = true }
            report("alerts-management", false, "\(error)")
            return [:]
        }
    }

    /// Without them an alert tells the number only.
    private func letters(of tenant: AlertTenant, dead: Int, _ memory: inout Memory, _ now: Timestamp) async -> [String] {
        guard let deadLetters else { return [] }
        do {
            return try await deadLetters.look(at: tenant, dead: dead, &memory.deadLetters, now: now) { work in
                try await store.alone(withDeadLettersOf: tenant.id, work)
            }
        } catch {
            report("alerts-dead-letters", false, "\(error)")
            return memory.deadLetters.found[tenant.id]?.kinds ?? []
        }
    }

    private func oldest(
        of tenant: TenantID, depth: Int, _ memory: inout Memory, _ now: Timestamp
    ) async throws(StorageError) -> Timestamp? {
        guard depth > 0 else {
            memory.oldest[tenant] = nil
            return nil
        }
        if let known = memory.oldest[tenant], now.seconds - known.asked.seconds < Self.oldestInterval { return known.confirmed }
        let confirmed = try await store.confirmedSince(tenant, depth: depth)
        memory.oldest[tenant] = (confirmed, now)
        return confirmed
    }

    private func readHistories(_ board: AlertBoard, _ memory: inout Memory) async throws(StorageError) {
        let now = board.context.now
        guard memory.nextHistories.map({ $0 <= now }) ?? true else { return }
        var histories: [TenantID: TenantHistory] = [:]
        for tenant in board.tenants {
            let clock = LocalClock(tenant.timeZone)
            let calendar = tenant.terms.calendar
            histories[tenant.id] = try await store.history(
                of: tenant.id,
                acknowledgedBefore: calendar.moment(
                    openSeconds: Int64(tenant.terms.acknowledgeWithinHours) * 3_600, before: now, in: clock),
                progressedBefore: calendar.moment(openDays: tenant.terms.progressWithinDays, before: now, in: clock),
                services: tenant.terms.progressOfServices.map { ($0.code, calendar.moment(openDays: $0.days, before: now, in: clock)) })
        }
        memory.histories = histories
        memory.nextHistories = now.adding(seconds: Self.looksPerHistory * max(1, interval.components.seconds))
    }

    // MARK: Words

    private func save(_ outcome: AlertEngine.Outcome, _ board: AlertBoard) async throws(StorageError) {
        guard !outcome.episodes.isEmpty || !outcome.dropped.isEmpty else { return }
        let tenants = Dictionary(board.tenants.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let expires = board.context.now.adding(days: AlertWriter.linkDays)
        let writer = self.writer
        try await store.save(outcome, linksExpire: expires) { notice, signatures in
            writer.deliveries(
                notice, tenant: notice.episode.key.tenant.flatMap { tenants[$0] }, signatures: signatures, expires: expires.seconds)
        }
        var logged: Set<AlertKey> = []
        // One line for each alert, however many hear of it.
        for notice in outcome.notices where logged.insert(notice.episode.key).inserted {
            let episode = notice.episode
            logger.log(
                level: notice.kind == .recovered ? .notice : .error, "alert",
                metadata: [
                    "code": "\(episode.key.code.rawValue)", "kind": "\(notice.kind.rawValue)", "severity": "\(episode.severity.name)",
                    "tenant": "\(episode.key.tenant.flatMap { tenants[$0]?.key.rawValue } ?? "-")", "since": "\(episode.since.iso8601)",
                    "runbook": "\(episode.key.code.runbook)",
                ])
        }
        for notice in outcome.notices {
            Counter(
                label: "o311_alert_notices_total",
                dimensions: [("code", notice.episode.key.code.rawValue), ("kind", notice.kind.rawValue)]
            ).increment()
        }
    }

    private func measure(_ outcome: AlertEngine.Outcome) {
        let firing = Dictionary(
            outcome.episodes.filter { $0.phase == .firing || $0.phase == .resolving }.map { ($0.key.code, 1) }, uniquingKeysWith: +)
        for code in AlertCode.allCases {
            Gauge(label: "o311_alerts_firing", dimensions: [("code", code.rawValue)]).record(firing[code] ?? 0)
        }
    }
}
