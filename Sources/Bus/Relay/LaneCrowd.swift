import NIOConcurrencyHelpers

/// How many lanes of this relay have something to send. They share what may be unconfirmed at the broker: without that, a lone event
/// would wait there behind the whole windows of seven other shards.
final class LaneCrowd: Sendable {
    /// A lane needs this many in flight to be worth its turns.
    private static let least = 12
    /// Of all lanes together, once there are two: enough to keep a broker busy, few enough to be confirmed within some 20 ms.
    private static let shared = 128

    private let busy = NIOLockedValueBox(0)

    func enter() { busy.withLockedValue { $0 += 1 } }
    func leave() { busy.withLockedValue { $0 -= 1 } }

    /// A lane's part of a window.
    func part(of window: Int) -> Int {
        let busy = busy.withLockedValue { $0 }
        return busy < 2 ? window : max(min(window, Self.least), min(window, Self.shared) / busy)
    }
}
