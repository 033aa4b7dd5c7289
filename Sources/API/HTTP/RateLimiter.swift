import NIOConcurrencyHelpers

/// How much one caller may ask for.
public struct RateLimit: Sendable, Equatable {
    /// Refilled evenly; as many may come at once after a pause. 0 for no limit.
    public let perMinute: Int

    public init(perMinute: Int) { self.perMinute = perMinute }
}

/// A token bucket for each caller, in a table of fixed size: a million callers take no more memory than ten. A caller has one
/// place out of eight; who comes when all are taken gets the place of the fullest bucket, whose loss forgives the least. So a
/// flood of new callers displaces itself, and a caller that is being held back stays held back.
final class RateLimiter: Sendable {
    struct Verdict: Equatable {
        let isAllowed: Bool
        let limit: Int
        /// Whole tokens left.
        let remaining: Int
        /// Whole seconds until the next token; at least 1 when refused.
        let retryAfter: Int
    }

    private struct Slot {
        var caller: UInt64 = 0
        var tokens: Float = 0
        /// In ticks of 10 ms, modulo 2³²; differences are right for 497 days.
        var tick: UInt32 = 0
    }

    private static let ways = 8
    private static let shards = 16
    private static let ticksPerSecond = 100.0

    private let limit: RateLimit
    private let tables: [NIOLockedValueBox<[Slot]>]
    private let setsPerShard: UInt64
    private let start = ContinuousClock.now

    /// - Parameter places: how many callers are remembered; rounded up to a multiple of 128, 16 bytes each.
    init(_ limit: RateLimit, places: Int = 65_536) {
        self.limit = limit
        let sets = max(1, (places + Self.ways * Self.shards - 1) / (Self.ways * Self.shards))
        setsPerShard = UInt64(sets)
        tables = (0..<Self.shards).map { _ in NIOLockedValueBox([Slot](repeating: Slot(), count: sets * Self.ways)) }
    }

    /// What the table takes, in bytes.
    var memory: Int { tables.count * Int(setsPerShard) * Self.ways * MemoryLayout<Slot>.stride }

    /// Takes a token when there is one.
    ///
    /// - Parameters:
    ///   - cost: 1 to take, 0 to look only.
    ///   - own: a limit of this caller's in place of the table's; the same at every call.
    ///   - elapsed: since the limiter was made; by default measured now.
    func take(_ caller: some Hashable, cost: Float = 1, own: RateLimit? = nil, elapsed: Duration? = nil) -> Verdict {
        let limit = own ?? self.limit
        let perTick = Self.perTick(limit)
        guard limit.perMinute > 0 else { return Verdict(isAllowed: true, limit: 0, remaining: 0, retryAfter: 0) }
        let parts = (elapsed ?? start.duration(to: .now)).components
        let tick = UInt32(truncatingIfNeeded: parts.seconds * 100 + parts.attoseconds / 10_000_000_000_000_000)
        var hasher = Hasher()
        hasher.combine(caller)
        // 0 marks a free place.
        let hash = max(1, UInt64(bitPattern: Int64(hasher.finalize())))
        let first = Int((hash >> 8) % setsPerShard) * Self.ways
        let tokens = tables[Int(hash % UInt64(Self.shards))].withLockedValue { table -> Float in
            let position = place(of: hash, in: table, from: first, to: limit, at: tick)
            if table[position].caller != hash { table[position] = Slot(caller: hash, tokens: Float(limit.perMinute), tick: tick) }
            let available = filled(table[position], to: limit, at: tick)
            if available >= 1 { table[position].tokens = available - cost } else { table[position].tokens = available }
            table[position].tick = tick
            return available
        }
        guard tokens >= 1 else {
            let wait = Double((1 - tokens) / perTick) / Self.ticksPerSecond
            return Verdict(isAllowed: false, limit: limit.perMinute, remaining: 0, retryAfter: max(1, Int(wait.rounded(.up))))
        }
        return Verdict(isAllowed: true, limit: limit.perMinute, remaining: Int(tokens - cost), retryAfter: 0)
    }

    /// Where the caller is, or a free place, or the fullest bucket.
    private func place(of hash: UInt64, in table: [Slot], from first: Int, to limit: RateLimit, at tick: UInt32) -> Int {
        var fullest = first
        var most: Float = -1
        for position in first..<(first + Self.ways) {
            if table[position].caller == hash { return position }
            let tokens = table[position].caller == 0 ? .infinity : filled(table[position], to: limit, at: tick)
            if tokens > most { (fullest, most) = (position, tokens) }
        }
        return fullest
    }

    private static func perTick(_ limit: RateLimit) -> Float { Float(Double(limit.perMinute) / 60 / ticksPerSecond) }

    private func filled(_ slot: Slot, to limit: RateLimit, at tick: UInt32) -> Float {
        min(Float(limit.perMinute), slot.tokens + Float(tick &- slot.tick) * Self.perTick(limit))
    }
}
