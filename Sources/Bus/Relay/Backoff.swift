/// Pauses that double from a first to a longest, until something works again.
struct Backoff: Sendable {
    let first: Duration
    let longest: Duration
    private var failures = 0

    init(from first: Duration, to longest: Duration) {
        self.first = first
        self.longest = longest
    }

    /// The pause after one more failure.
    mutating func next() -> Duration {
        defer { failures += 1 }
        return min(longest, first * (1 << min(failures, 16)))
    }

    /// Like ``next()``, anywhere between nothing and that, so that many who failed together do not come back together.
    mutating func nextWithJitter() -> Duration { next() * Double.random(in: 0.1...1) }

    mutating func reset() { failures = 0 }
}
