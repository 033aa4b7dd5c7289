import Open311

/// How fast backlogs are sent while somebody who has none is served too.
///
/// The machine that drains a backlog as fast as it can keeps everybody else's event waiting: in the broker, for the processor, for the
/// disk. So while a tenant without a backlog was served a moment ago, backlogs go only so fast that its events are confirmed nearly as
/// quickly as without them: a little faster after each that was, slower after each that was not. On a machine of its own a broker hardly
/// slows them.
/// A value, without clock or I/O.
struct Courtesy: Sendable {
    /// Events in hand of one tenant that are no backlog yet.
    static let few = 2
    /// Events in hand of one tenant that are one.
    static let many = 8
    /// What is older has waited.
    static let freshMicroseconds: Int64 = 1_000_000
    /// Backlog events that leave a lane together: one by one each would cost twice as much.
    static let portion = 8
    /// How long a tenant is expected to send again.
    static let memory: Duration = .seconds(10)

    private static let remembered = 1_024
    /// Events a second.
    private static let slowest = 1_000.0
    private static let fastest = 50_000.0
    /// Times the unloaded latency.
    private static let tolerance = 2.0
    private static let faster = 1.02
    private static let slower = 0.75

    private var quiet: [TenantID: ContinuousClock.Instant] = [:]
    private(set) var rate = 2_000.0
    private var tokens = 0.0
    private var filledAt: ContinuousClock.Instant?
    /// Seconds until a confirm while there was no backlog.
    private var unloaded = 0.003
    private var backlogAt: ContinuousClock.Instant?

    /// - Parameters:
    ///   - served: tenants of whom an event leaves now that had no other in hand but a few.
    ///   - crowding: tenants that have many.
    mutating func noted(served: [TenantID], crowding: [TenantID], at now: ContinuousClock.Instant) {
        if !quiet.isEmpty { for tenant in crowding { quiet[tenant] = nil } }
        guard !served.isEmpty else { return }
        if quiet.count >= Self.remembered { quiet = quiet.filter { now - $0.value < Self.memory } }
        guard quiet.count < Self.remembered else { return }
        for tenant in served { quiet[tenant] = now }
    }

    /// Somebody without a backlog was served a moment ago.
    mutating func isDue(at now: ContinuousClock.Instant) -> Bool {
        if quiet.isEmpty { return false }
        if quiet.values.contains(where: { now - $0 < Self.memory }) { return true }
        quiet.removeAll()
        return false
    }

    mutating func sawBacklog(at now: ContinuousClock.Instant) { backlogAt = now }

    /// How many events of backlogs may leave now: a portion, or none until there is one.
    mutating func take(at now: ContinuousClock.Instant) -> Int {
        tokens = min(Double(2 * Self.portion), tokens + rate * ((filledAt.map { $0.duration(to: now) } ?? .zero) / .seconds(1)))
        filledAt = now
        guard tokens >= Double(Self.portion) else { return 0 }
        tokens -= Double(Self.portion)
        return Self.portion
    }

    mutating func giveBack(_ count: Int) { tokens += Double(count) }

    /// - Parameter latency: seconds, of an event of somebody without a backlog.
    mutating func confirmed(after latency: Double, at now: ContinuousClock.Instant) {
        guard let backlogAt, now - backlogAt < .seconds(1) else {
            unloaded += (min(max(latency, 0.001), 0.02) - unloaded) * 0.05
            return
        }
        rate = latency > Self.tolerance * unloaded ? max(Self.slowest, rate * Self.slower) : min(Self.fastest, rate * Self.faster)
    }
}
