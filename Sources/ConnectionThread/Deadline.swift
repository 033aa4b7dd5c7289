#if canImport(Glibc)
    import Glibc
#endif

/// A moment on the monotonic clock after which a wait gives up.
///
/// Wall-clock jumps do not move it. Every wait on a C client takes one: nothing in this product waits for ever.
public struct Deadline: Sendable, Hashable, Comparable {
    private let instant: ContinuousClock.Instant

    /// The moment `duration` from now.
    public static func after(_ duration: Duration) -> Deadline {
        Deadline(instant: .now.advanced(by: duration))
    }

    /// Time left; zero when passed.
    public var remaining: Duration {
        max(.zero, ContinuousClock.Instant.now.duration(to: instant))
    }

    /// Whether the moment has passed.
    public var hasPassed: Bool { instant <= .now }

    /// The remaining time as `poll(2)` takes it, rounded up so that a wait never spins; at most a day.
    public var pollMilliseconds: Int32 {
        let (seconds, attoseconds) = remaining.components
        guard seconds < 86_400 else { return 86_400_000 }
        let partial = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return Int32(seconds * 1_000 + partial)
    }

    public static func < (left: Deadline, right: Deadline) -> Bool { left.instant < right.instant }
}
