import NIOConcurrencyHelpers

/// Places for callers who wait: without a bound, waiting would be an attack.
final class WaitingRoom: Sendable {
    private let free: NIOLockedValueBox<Int>

    init(places: Int) { free = NIOLockedValueBox(places) }

    /// - Returns: false when all places are taken.
    func enter() -> Bool {
        free.withLockedValue { free in
            guard free > 0 else { return false }
            free -= 1
            return true
        }
    }

    func leave() { free.withLockedValue { $0 += 1 } }
}
