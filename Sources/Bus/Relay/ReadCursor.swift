import Open311

/// Where the next read of a shard begins.
///
/// State decides what is pending; the cursor only spares the index entries of what was settled a moment ago, which stay until the
/// next vacuum. What may lie below it is found by a read from the start: every two seconds, because a transaction may commit late,
/// and at once after a tenant's pause or a lost connection, because its events wait there in order.
struct ReadCursor: Sendable {
    private static let settlingTime: Duration = .milliseconds(500)
    private static let longestWithoutWholeRead: Duration = .seconds(2)

    private var next: Int64 = 0
    private var highestRead: Int64 = 0
    /// The highest seq that had been read one settling time ago, or earlier.
    private var floor: Int64 = 0
    private var coming: (seq: Int64, since: ContinuousClock.Instant)?
    private var lastWholeRead: ContinuousClock.Instant?
    private var excluded: Set<TenantID> = []

    /// Reads from the start next time.
    mutating func rewind() { lastWholeRead = nil }

    /// The seq above which to read now.
    ///
    /// - Parameter paused: the tenants that the read leaves out.
    mutating func position(excluding paused: Set<TenantID>, at now: ContinuousClock.Instant) -> Int64 {
        if !excluded.isSubset(of: paused) { rewind() }
        excluded = paused
        if let lastWholeRead, now - lastWholeRead < Self.longestWithoutWholeRead { return next }
        lastWholeRead = now
        return 0
    }

    /// - Parameters:
    ///   - last: the highest seq of the read, nil when it found nothing.
    ///   - hasMore: the read was cut by its limit.
    mutating func advance(past last: Int64?, hasMore: Bool, at now: ContinuousClock.Instant) {
        highestRead = max(highestRead, last ?? 0)
        if let candidate = coming {
            if now - candidate.since >= Self.settlingTime {
                floor = candidate.seq
                coming = (highestRead, now)
            }
        } else {
            coming = (highestRead, now)
        }
        next = hasMore ? last ?? floor : floor
    }
}
