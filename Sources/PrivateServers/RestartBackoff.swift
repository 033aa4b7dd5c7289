/// How long to wait before a server that died is started again: doubling, bounded, and forgotten after a quiet life.
public struct RestartBackoff: Sendable, Equatable {
    private let first: Duration
    private let limit: Duration
    private let quietLife: Duration
    private var next: Duration

    /// - Parameters:
    ///   - first: wait after the first death.
    ///   - limit: the longest wait.
    ///   - quietLife: a server that lived this long starts anew with `first`.
    public init(first: Duration = .seconds(1), limit: Duration = .seconds(30), quietLife: Duration = .seconds(60)) {
        self.first = first
        self.limit = limit
        self.quietLife = quietLife
        next = first
    }

    /// The wait after a death that followed `life`.
    public mutating func wait(afterLifeOf life: Duration) -> Duration {
        if life >= quietLife { next = first }
        defer { next = min(next * 2, limit) }
        return next
    }
}
