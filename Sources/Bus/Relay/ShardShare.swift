import NIOConcurrencyHelpers

/// How many shards this relay may lead: its part of all, rounded up, among the relays that live.
///
/// A value without clock or I/O. Before the first look at the others nothing may be led.
final class ShardShare: Sendable {
    private struct State {
        var quota = 0
        var led: Set<Int16> = []
        var leading: Set<Int16> = []
        var yielding: Set<Int16> = []
    }

    private let total: Int
    private let state = NIOLockedValueBox(State())

    /// - Parameter total: how many shards there are.
    init(total: Int) { self.total = total }

    var quota: Int { state.withLockedValue { $0.quota } }

    /// - Parameters:
    ///   - relays: that live, this one included.
    ///   - led: the shards that somebody leads.
    func saw(relays: Int, led: Set<Int16>) {
        state.withLockedValue { state in
            state.quota = (total + max(1, relays) - 1) / max(1, relays)
            state.led = led
        }
    }

    /// Takes a place for a shard that nobody is known to lead; false when there is none. `ended` gives it back.
    func begin(_ shard: Int16) -> Bool {
        state.withLockedValue { state in
            guard !state.led.contains(shard), state.leading.count < state.quota else { return false }
            return state.leading.insert(shard).inserted
        }
    }

    func ended(_ shard: Int16) {
        state.withLockedValue { state in
            state.leading.remove(shard)
            state.yielding.remove(shard)
            // Until the next look says otherwise: whoever waits for it comes first.
            state.led.insert(shard)
        }
    }

    /// Whether this shard is to be given to another relay. Once yes, always yes.
    func mustYield(_ shard: Int16) -> Bool {
        state.withLockedValue { state in
            if state.yielding.contains(shard) { return true }
            guard state.leading.contains(shard), state.leading.count - state.yielding.count > state.quota else { return false }
            state.yielding.insert(shard)
            return true
        }
    }
}
