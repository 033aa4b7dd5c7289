import NIOConcurrencyHelpers
import Open311

/// How many lanes of this relay have something to send. They share what may be unconfirmed at the broker: without that, a lone event
/// would wait there behind the whole windows of seven other shards. And they share the courtesy of backlogs.
final class LaneCrowd: Sendable {
    /// A lane needs this many in flight to be worth its turns.
    private static let least = 12
    /// Of all lanes together, once there are two: enough to keep a broker busy, few enough to be confirmed within some 20 ms.
    private static let shared = 128

    private let busy = NIOLockedValueBox(0)
    private let courtesy = NIOLockedValueBox(Courtesy())

    func enter() { busy.withLockedValue { $0 += 1 } }
    func leave() { busy.withLockedValue { $0 -= 1 } }

    /// A lane's part of a window.
    func part(of window: Int) -> Int {
        let busy = busy.withLockedValue { $0 }
        return busy < 2 ? window : max(min(window, Self.least), min(window, Self.shared) / busy)
    }

    /// Backlogs hold back for somebody who has none.
    var isCourteous: Bool { courtesy.withLockedValue { $0.isDue(at: .now) } }

    /// How many events of its backlogs a lane may send now; nil when as many as it likes.
    func portion(at now: ContinuousClock.Instant) -> Int? {
        courtesy.withLockedValue { courtesy in
            courtesy.sawBacklog(at: now)
            return courtesy.isDue(at: now) ? courtesy.take(at: now) : nil
        }
    }

    func giveBack(_ count: Int) {
        if count > 0 { courtesy.withLockedValue { $0.giveBack(count) } }
    }

    func noted(served: [TenantID], crowding: [TenantID], at now: ContinuousClock.Instant) {
        courtesy.withLockedValue { $0.noted(served: served, crowding: crowding, at: now) }
    }

    /// An event of somebody without a backlog was.
    func confirmed(after latency: Duration, at now: ContinuousClock.Instant) {
        courtesy.withLockedValue { $0.confirmed(after: latency / .seconds(1), at: now) }
    }

    /// Until each lane may have had a portion.
    var pause: Duration {
        let busy = Double(max(1, busy.withLockedValue { $0 }))
        return .seconds(min(0.02, max(0.002, busy * Double(Courtesy.portion) / courtesy.withLockedValue { $0.rate })))
    }
}
