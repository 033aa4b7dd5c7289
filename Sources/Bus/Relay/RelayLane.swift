import AMQP
import Logging
import Metrics
import NIOConcurrencyHelpers
import Open311
import Storage

/// The way to one virtual host: a confirmed publisher and the window of events that go through it.
final class RelayLane: Sendable {
    /// An event that the broker did not take.
    struct Refusal: Sendable {
        let entry: OutboxEntry
        /// A short code, for the outbox and for metrics.
        let reason: String
        let firstPause: Duration
        let longestPause: Duration
        /// Trying again cannot help.
        var isFinal = false
    }

    private struct State {
        var window: RelayWindow
        var pace: RelayPace
        var publisher: ConfirmedPublisher?
        var backoff = Backoff(from: .seconds(1), to: .seconds(60))
        var reconnectAt = ContinuousClock.now
        var oldestSent: [Int64: ContinuousClock.Instant] = [:]
        /// In flight, of tenants without a backlog.
        var quietSent: Set<Int64> = []
        var toSettle: [Settlement] = []
        /// When the first of those was confirmed.
        var toSettleSince: ContinuousClock.Instant?
        var refusals: [Refusal] = []
        var accepted: Set<TenantID> = []
        var lostConnection = false
        /// Sent over a connection that is gone: whether the broker had them is not known.
        var uncertain: Set<Int64> = []
        /// When the broker was last seen to block the connection.
        var blockedAt: ContinuousClock.Instant?
        var isInCrowd = false
        /// Of what was sent last; bounded.
        var names: [PublicationNames.Key: PublicationNames] = [:]

        mutating func names(of entry: OutboxEntry, _ typePrefix: String) -> PublicationNames {
            let key = PublicationNames.Key(entry)
            if let known = names[key] { return known }
            if names.count >= 1_024 { names.removeAll() }
            let made = PublicationNames(entry, typePrefix: typePrefix)
            names[key] = made
            return made
        }
    }

    private let configuration: RelayConfiguration
    private let broker: AMQPConfiguration
    private let logger: Logger
    private let report: @Sendable (String, Bool, String) -> Void
    private let state: NIOLockedValueBox<State>
    private let published: Counter
    private let redelivered = Counter(label: "o311_relay_redelivered_total")
    private let confirmDuration: Metrics.Timer
    private let connectionState: Gauge
    private let blockedSeconds: FloatingPointCounter
    private let shard: String
    private let crowd: LaneCrowd
    /// Told when something was found for this lane.
    private let found = WakeUp()

    init(
        host: String, crowd: LaneCrowd, configuration: RelayConfiguration, shard: Int16, logger: Logger,
        report: @escaping @Sendable (String, Bool, String) -> Void
    ) {
        self.configuration = configuration
        self.logger = logger
        self.report = report
        self.shard = String(shard)
        self.crowd = crowd
        var broker = configuration.broker
        broker.virtualHost = host
        broker.connectionName = "bus311 relay, shard \(shard)"
        self.broker = broker
        let labels = [("shard", String(shard))]
        published = Counter(label: "o311_relay_published_total", dimensions: labels)
        confirmDuration = Metrics.Timer(label: "o311_relay_confirm_duration_seconds")
        connectionState = Gauge(label: "o311_relay_connection_state", dimensions: labels)
        blockedSeconds = FloatingPointCounter(label: "o311_relay_blocked_seconds_total")
        // A counter that appears with its first event has no rise for Prometheus to see.
        for reason in ["returned", "nack", "timeout", "channel", "blocked"] {
            Counter(label: "o311_relay_failures_total", dimensions: [("reason", reason)]).increment(by: 0)
        }
        redelivered.increment(by: 0)
        published.increment(by: 0)
        blockedSeconds.increment(by: 0)
        state = NIOLockedValueBox(
            State(
                window: RelayWindow(
                    count: configuration.window + configuration.staged, bytes: configuration.windowBytes,
                    perTenant: configuration.windowPerTenant),
                pace: RelayPace(maximum: configuration.window, confirmTimeout: configuration.confirmTimeout)))
    }

    // MARK: What the shard asks

    var waitingCount: Int { state.withLockedValue { $0.window.waitingCount } }
    var hasUnconfirmed: Bool { state.withLockedValue { !$0.window.inFlight.isEmpty || !$0.toSettle.isEmpty } }
    var isBusy: Bool { state.withLockedValue { $0.window.waitingCount > 0 || !$0.window.inFlight.isEmpty || !$0.toSettle.isEmpty } }

    /// Something to send or to be confirmed.
    var hasTraffic: Bool { state.withLockedValue { $0.window.waitingCount > 0 || !$0.window.inFlight.isEmpty } }
    var inHand: [TenantID: Int] { state.withLockedValue { $0.window.inHand } }

    func add(_ entries: [OutboxEntry]) { state.withLockedValue { $0.window.add(entries) } }
    /// What another session saw pending: it may have been settled since.
    func addFound(_ entries: [OutboxEntry]) {
        state.withLockedValue { $0.window.addFound(entries) }
        found.signal()
    }
    func forget(_ tenants: Set<TenantID>) { state.withLockedValue { $0.window.forget(tenants) } }
    var waitingRequests: Set<ServiceRequestID> { state.withLockedValue { $0.window.waitingRequests } }
    func forget(erased requests: Set<ServiceRequestID>) { state.withLockedValue { $0.window.forget(erased: requests) } }
    func settled(_ seqs: [Int64]) { state.withLockedValue { $0.window.settled(seqs) } }

    /// - Parameter count: fewer than that wait a little for more, while there is traffic.
    func takeSettlements(atLeast count: Int, at now: ContinuousClock.Instant) -> [Settlement] {
        state.withLockedValue { state in
            let isDue =
                state.toSettle.count >= count || (state.window.waitingCount == 0 && state.window.inFlight.isEmpty)
                || (state.toSettleSince.map { now - $0 >= Self.longestUnsettled } ?? true)
            guard isDue else { return [] }
            defer { (state.toSettle, state.toSettleSince) = ([], nil) }
            return state.toSettle
        }
    }
    private static let longestUnsettled: Duration = .milliseconds(100)

    /// Events of backlogs leave by portions now.
    var holdsBack: Bool { waitingCount >= configuration.windowPerTenant && crowd.isCourteous }

    func takeRefusals() -> [Refusal] { take(\.refusals, []) }
    func takeAccepted() -> Set<TenantID> { take(\.accepted, []) }
    var lostConnection: Bool { take(\.lostConnection, false) }

    private func take<Value>(_ path: any WritableKeyPath<State, Value> & Sendable, _ empty: Value) -> Value {
        state.withLockedValue { state in
            defer { state[keyPath: path] = empty }
            return state[keyPath: path]
        }
    }

    // MARK: Publishing

    /// One turn: sends what fits into the window, then takes the confirms that come within a moment.
    func exchange(stopping: Bool) async {
        guard let publisher = await connected() else {
            // Nothing to do before the next attempt; the shard goes on settling and reading meanwhile.
            let pause = state.withLockedValue { ContinuousClock.now.duration(to: $0.reconnectAt) }
            try? await Task.sleep(for: min(max(pause, .milliseconds(10)), .milliseconds(200)))
            return
        }
        noteTraffic(hasTraffic)
        defer { noteTraffic(hasTraffic) }
        let now = ContinuousClock.now
        let seen = found.generation
        let part = crowd.part(of: configuration.window)
        // Among others, what is found meanwhile should not wait for a large part of the window.
        let isShared = part < configuration.window
        let portion = stopping || waitingCount < configuration.windowPerTenant ? nil : crowd.portion(at: now)
        let (publications, inFlight, onTheWire) = state.withLockedValue { state -> ([Publication], Int, Int) in
            let limit = state.pace.limit
            // What waits for room with the publisher keeps the window full during the turns of this lane.
            let staged = limit == configuration.window && !isShared && portion == nil ? configuration.staged : 0
            let turn =
                stopping
                ? RelayWindow.Turn()
                : state.window.turn(
                    atMost: limit + staged, part: part + staged, backlogs: portion ?? .max,
                    bytes: state.pace.bytes(of: configuration.windowBytes),
                    freshSince: Timestamp(microseconds: Timestamp.now.microseconds - Courtesy.freshMicroseconds))
            if let portion { crowd.giveBack(portion - turn.ofBacklogs) }
            crowd.noted(served: turn.quiet.map(\.tenant), crowding: turn.crowding, at: now)
            state.quietSent.formUnion(turn.quiet.lazy.map(\.seq))
            var entries = turn.entries
            // Nothing larger is ever stored by our own hand; what is all the same waits for a person.
            for entry in entries where entry.body.count > ServiceRequestEvent.maximumSize {
                refuse(entry.seq, "too_large", isFinal: true, &state)
            }
            entries.removeAll { $0.body.count > ServiceRequestEvent.maximumSize }
            for entry in entries { state.oldestSent[entry.seq] = now }
            if !state.uncertain.isEmpty {
                redelivered.increment(by: entries.count { state.uncertain.remove($0.seq) != nil })
            }
            return (
                entries.map { $0.publication(state.names(of: $0, configuration.typePrefix), applicationID: configuration.applicationID) },
                state.window.inFlight.count, limit
            )
        }
        guard inFlight > 0 else {
            if portion != nil { await found.wait(since: seen, atMost: crowd.pause) }
            return
        }
        if !publications.isEmpty { FailPoint.relayBeforePublish.reach(configuration.failPoint) }
        do throws(AMQPError) {
            let resolutions = try await publisher.exchange(
                publications, minimum: max(1, min(inFlight / (isShared ? 4 : 3), 64)), wait: .milliseconds(portion == nil ? 50 : 4),
                inFlight: onTheWire)
            if !publications.isEmpty { FailPoint.relayAfterPublish.reach(configuration.failPoint) }
            apply(resolutions)
            try await checkConfirms(publisher)
        } catch {
            await fail(error, publisher)
        }
    }

    private func noteTraffic(_ hasTraffic: Bool) {
        let changed = state.withLockedValue { state in
            defer { state.isInCrowd = hasTraffic }
            return state.isInCrowd != hasTraffic
        }
        if changed { hasTraffic ? crowd.enter() : crowd.leave() }
    }

    private func connected() async -> ConfirmedPublisher? {
        let (existing, mayTry) = state.withLockedValue { ($0.publisher, $0.reconnectAt <= .now) }
        if let existing { return existing }
        guard mayTry else { return nil }
        do {
            let publisher = try ConfirmedPublisher(configuration: broker)
            do {
                try await publisher.connect()
            } catch {
                await publisher.close()
                throw error
            }
            state.withLockedValue {
                $0.publisher = publisher
                $0.pace.reconnected()
                $0.backoff.reset()
            }
            connectionState.record(1)
            report("broker", true, "")
            return publisher
        } catch {
            let pause = state.withLockedValue { state in
                let pause = state.backoff.nextWithJitter()
                state.reconnectAt = .now.advanced(by: pause)
                return pause
            }
            report("broker", false, "\(error)")
            logger.warning("broker not reached", metadata: ["error": "\(error)", "retry_in": "\(pause)"])
            return nil
        }
    }

    private func apply(_ resolutions: [Resolution]) {
        let now = Timestamp.now
        let instant = ContinuousClock.now
        state.withLockedValue { state in
            for resolution in resolutions {
                state.oldestSent[resolution.tag] = nil
                let wasQuiet = state.quietSent.remove(resolution.tag) != nil
                switch resolution.outcome {
                case .confirmed:
                    state.pace.confirmed(after: resolution.confirmLatency)
                    guard let entry = state.window.confirmed(resolution.tag) else { continue }
                    state.toSettle.append(settlement(of: entry, now: now, latency: resolution.confirmLatency))
                    if state.toSettleSince == nil { state.toSettleSince = instant }
                    state.accepted.insert(entry.tenant)
                    if wasQuiet { crowd.confirmed(after: resolution.confirmLatency, at: instant) }
                    published.increment()
                    confirmDuration.record(duration: resolution.confirmLatency)
                case .withheld:
                    // The broker has blocked the connection: it waits in the window again.
                    if let entry = state.window.returned(resolution.tag) { state.window.add([entry]) }
                case .returned: refuse(resolution.tag, "returned", &state)
                case .nacked: refuse(resolution.tag, "nack", &state)
                case .invalid: refuse(resolution.tag, "invalid", isFinal: true, &state)
                }
            }
        }
    }

    private func settlement(of entry: OutboxEntry, now: Timestamp, latency: Duration) -> Settlement {
        Settlement(
            seq: entry.seq, publishedAt: Timestamp(microseconds: now.microseconds - Int64(latency / .microseconds(1))), latency: latency,
            body: entry.body)
    }

    private func refuse(_ seq: Int64, _ reason: String, isFinal: Bool = false, _ state: inout State) {
        guard let entry = state.window.returned(seq) else { return }
        Counter(label: "o311_relay_failures_total", dimensions: [("reason", reason)]).increment()
        state.refusals.append(
            Refusal(entry: entry, reason: reason, firstPause: .seconds(5), longestPause: .seconds(300), isFinal: isFinal))
    }

    /// A confirm that does not come makes the whole connection suspect, unless the broker said that it is blocked.
    private func checkConfirms(_ publisher: ConfirmedPublisher) async throws(AMQPError) {
        if case .blocked(let reason, _) = publisher.state {
            connectionState.record(2)
            if state.withLockedValue({ $0.blockedAt == nil }) {
                Counter(label: "o311_relay_failures_total", dimensions: [("reason", "blocked")]).increment()
            }
            report("broker", false, "blocked by the broker: \(reason)")
            let seconds = state.withLockedValue { state in
                let now = ContinuousClock.now
                for seq in state.oldestSent.keys { state.oldestSent[seq] = now }
                defer { state.blockedAt = now }
                return state.blockedAt.map { $0.duration(to: now) / .seconds(1) } ?? 0
            }
            blockedSeconds.increment(by: seconds)
            return
        }
        if take(\.blockedAt, nil) != nil {
            connectionState.record(1)
            report("broker", true, "")
        }
        let isLate = state.withLockedValue { state in
            let limit = ContinuousClock.now.advanced(by: .zero - state.pace.patience)
            guard state.oldestSent.values.contains(where: { $0 < limit }) else { return false }
            state.pace.gaveUp()
            return true
        }
        guard isLate else { return }
        await disconnect(publisher, reason: "timeout")
    }

    private func fail(_ error: AMQPError, _ publisher: ConfirmedPublisher) async {
        apply(error.resolutions)
        logger.warning("publishing failed", metadata: ["error": "\(error)", "shard": "\(shard)"])
        report("broker", false, "\(error)")
        var reason = "channel"
        switch error.kind {
        case .notFound, .accessRefused:
            // The exchange of one tenant: it alone waits, the others go on over a new connection.
            let missing = error.kind == .notFound ? "exchange" : "permission"
            state.withLockedValue { state in
                let culprits = state.window.inFlight.values.filter { entry in
                    error.exchange.map { $0 == Topology(tenant: entry.tenantKey).outExchange } ?? true
                }
                for entry in culprits where state.window.returned(entry.seq) != nil {
                    state.refusals.append(
                        Refusal(entry: entry, reason: missing, firstPause: .seconds(5), longestPause: .seconds(600)))
                }
                state.backoff.reset()
            }
        case .timeout, .heartbeatTimeout, .blockedTooLong: reason = "timeout"
        default: break
        }
        await disconnect(publisher, reason: reason)
    }

    private func disconnect(_ publisher: ConfirmedPublisher, reason: String) async {
        Counter(label: "o311_relay_failures_total", dimensions: [("reason", reason)]).increment()
        connectionState.record(0)
        state.withLockedValue { state in
            // A window's worth at a time; what another relay takes over is forgotten with the next loss.
            state.uncertain = Set(state.window.inFlight.keys)
            state.window.abandonAll()
            state.oldestSent.removeAll()
            state.quietSent.removeAll()
            state.publisher = nil
            state.lostConnection = true
            state.reconnectAt = .now.advanced(by: state.backoff.nextWithJitter())
        }
        await publisher.close()
    }

    func close() async {
        noteTraffic(false)
        let publisher = state.withLockedValue { state in
            defer { state.publisher = nil }
            return state.publisher
        }
        await publisher?.close()
        connectionState.record(0)
    }
}
