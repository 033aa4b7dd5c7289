import NIOConcurrencyHelpers
import Open311
import Storage

/// Finds, for the leader of a shard, the tenants whose events wait behind another tenant's backlog. It reads on the session that all
/// shards share, so that it waits for no settlement; it publishes nothing and settles nothing.
struct ShardScout: Sendable {
    /// What the leader lets it see.
    struct View: Sendable {
        var lanes: [String: RelayLane] = [:]
        /// Tenants that the broker refused a moment ago.
        var paused: Set<TenantID> = []
        /// Goes up when what was in hand is gone.
        var rewinds = 0
    }

    let shard: Int16
    let outbox: OutboxStore
    let wakeUp: WakeUp
    /// Events in hand that make a backlog.
    let crowd: Int
    let view: NIOLockedValueBox<View>

    func run() async {
        var lookahead = Lookahead()
        var rewinds = 0
        while !Task.isCancelled {
            let generation = wakeUp.generation
            let view = self.view.withLockedValue { $0 }
            if view.rewinds != rewinds {
                lookahead.rewind()
                rewinds = view.rewinds
            }
            let isCrowded = view.lanes.values.reduce(0) { $0 + $1.waitingCount } >= crowd
            if isCrowded, lookahead.isDue(generation: generation, at: .now) {
                do throws(StorageError) {
                    try await look(&lookahead, view, generation)
                } catch {
                    // The leader's reads find everything too, only later.
                    try? await Task.sleep(for: .seconds(1))
                }
            }
            let pause: Duration = lookahead.hasMore && isCrowded ? .milliseconds(4) : isCrowded ? .milliseconds(50) : .seconds(1)
            await wakeUp.wait(since: generation, atMost: pause)
        }
    }

    private func look(_ lookahead: inout Lookahead, _ view: View, _ generation: UInt64) async throws(StorageError) {
        let sightings = try await outbox.ahead(of: shard, after: lookahead.position, limit: Lookahead.stride)
        let inHand = view.lanes.values.reduce(into: [:]) { $0.merge($1.inHand) { $0 + $1 } }
        let picked = lookahead.pick(from: sightings, inHand: inHand, excluding: view.paused, generation: generation, at: .now)
        guard !picked.isEmpty else { return }
        // A host without a lane has no backlog here: the next read finds its events.
        let entries = try await outbox.pending(picked, of: shard)
        for (host, entries) in Dictionary(grouping: entries, by: \.virtualHost) { view.lanes[host]?.addFound(entries) }
    }
}
