import NIOConcurrencyHelpers
import Open311
import Storage

/// Hints that came in, by shard, until the shard's scout takes them. Bounded: what does not fit is found by the leader's reads.
final class HintBoard: Sendable {
    private static let perShard = 2_000

    private let hints: NIOLockedValueBox<[Int16: [OutboxHint]]>

    /// - Parameter shards: those that this relay may lead; hints of others are dropped.
    init(shards: [Int16]) {
        hints = NIOLockedValueBox(Dictionary(shards.map { ($0, []) }, uniquingKeysWith: { first, _ in first }))
    }

    func add(_ new: [OutboxHint]) {
        hints.withLockedValue { hints in
            for hint in new where hints[hint.shard].map({ $0.count < Self.perShard }) ?? false { hints[hint.shard]?.append(hint) }
        }
    }

    func take(_ shard: Int16) -> [OutboxHint] {
        hints.withLockedValue { hints in
            guard let found = hints[shard], !found.isEmpty else { return [] }
            hints[shard] = []
            return found
        }
    }
}
