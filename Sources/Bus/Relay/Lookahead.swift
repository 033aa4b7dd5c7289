import Open311
import Storage

/// Finds tenants whose events wait behind another tenant's backlog: a second cursor that runs ahead of the reads, sees whose each
/// event is, and picks the first few of those who have hardly any in hand. It walks slowly, for hints are quicker and cost less: eight
/// shards that scan a long backlog at every turn would be the load that they look behind. A value, without clock or I/O.
struct Lookahead: Sendable {
    /// Events in hand of one tenant that make more of it unnecessary for now.
    static let enough = 8
    /// Events seen at once.
    static let stride = 500
    static let shortestPause: Duration = .milliseconds(100)
    private static let longestPause: Duration = .seconds(1)

    /// A transaction may commit this late behind others that took their numbers after it.
    private static let settlingTime: Duration = .milliseconds(500)

    private(set) var position: Int64 = 0
    private var highest: Int64 = 0
    /// The highest seq that had been seen one settling time ago, or earlier.
    private var floor: Int64 = 0
    private var coming: (seq: Int64, since: ContinuousClock.Instant)?
    private var seen: UInt64?
    /// The last look was cut by its limit.
    private(set) var hasMore = true
    private var last: ContinuousClock.Instant?

    /// Sees everything again: after a pause or a lost connection.
    mutating func rewind() {
        position = 0
        floor = 0
        coming = nil
        hasMore = true
    }

    /// - Parameter generation: of the wake-up; another one than last time means that something was committed.
    func isDue(generation: UInt64, at now: ContinuousClock.Instant) -> Bool {
        guard let last else { return true }
        let pause = last.duration(to: now)
        return pause >= Self.longestPause || (pause >= Self.shortestPause && (hasMore || generation != seen))
    }

    /// - Parameter inHand: events in hand by tenant; of tenants left out here nothing is picked.
    /// - Returns: what to read, at most `enough` of each tenant with those in hand.
    mutating func pick(
        from sightings: [OutboxSighting], inHand: [TenantID: Int], excluding excluded: Set<TenantID>, generation: UInt64,
        at now: ContinuousClock.Instant
    ) -> [OutboxSighting] {
        seen = generation
        last = now
        hasMore = sightings.count == Self.stride
        advance(past: sightings.last?.seq, at: now)
        var counts = inHand
        return sightings.filter { $0.isFirst && Self.takes($0.tenant, &counts, excluded) }
    }

    /// Of hints, the seqs to read: at most `enough` of each tenant with those in hand.
    static func pick(from hints: [OutboxHint], inHand: [TenantID: Int], excluding excluded: Set<TenantID>) -> [Int64] {
        var counts = inHand
        return hints.filter { takes($0.tenant, &counts, excluded) }.map(\.seq)
    }

    private static func takes(_ tenant: TenantID, _ counts: inout [TenantID: Int], _ excluded: Set<TenantID>) -> Bool {
        guard !excluded.contains(tenant), counts[tenant, default: 0] < enough else { return false }
        counts[tenant, default: 0] += 1
        return true
    }

    private mutating func advance(past end: Int64?, at now: ContinuousClock.Instant) {
        highest = max(highest, end ?? 0)
        if let candidate = coming {
            if now - candidate.since >= Self.settlingTime {
                floor = candidate.seq
                coming = (highest, now)
            }
        } else {
            coming = (highest, now)
        }
        position = hasMore ? end ?? floor : floor
    }
}
