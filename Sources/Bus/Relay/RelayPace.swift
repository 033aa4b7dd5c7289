/// How many events may be in flight on a connection: few at first, twice as many a round while confirms come at once, half as many when
/// they come slowly. On a slow link a full window would be confirmed later than the relay is willing to wait, again and again.
struct RelayPace: Sendable {
    private let maximum: Int
    private let confirmTimeout: Duration
    /// Events in flight, at most.
    private(set) var limit: Int
    /// How long a confirm may take before the connection is suspect: longer after each that was given up, until one comes.
    private(set) var patience: Duration
    /// Confirms to see before the limit is halved again: those of events that left under the former one.
    private var grace = 0

    /// What leaves first on a new connection.
    static let initial = 4
    private static let longestPatience = 16

    init(maximum: Int, confirmTimeout: Duration) {
        self.maximum = maximum
        self.confirmTimeout = confirmTimeout
        limit = min(Self.initial, maximum)
        patience = confirmTimeout
    }

    /// The share of a byte limit that goes with the limit of events.
    func bytes(of whole: Int) -> Int { max(1, whole / maximum * limit) }

    mutating func confirmed(after latency: Duration) {
        patience = confirmTimeout
        grace -= 1
        if latency < confirmTimeout / 8 {
            limit = min(maximum, limit + 1)
        } else if latency > confirmTimeout / 2, grace <= 0 {
            grace = limit
            limit = max(1, limit / 2)
        }
    }

    /// A confirm did not come.
    mutating func gaveUp() {
        limit = max(1, limit / 2)
        patience = min(patience * 2, confirmTimeout * Self.longestPatience)
    }

    /// A new connection begins: carefully, unless even that was too much.
    mutating func reconnected() {
        limit = min(limit, Self.initial)
        grace = 0
    }
}
