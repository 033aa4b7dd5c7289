import NIOConcurrencyHelpers
import Open311
import Storage

/// Finds, for the leader of a shard, the tenants whose events wait behind another tenant's backlog: by the hints of those who wrote
/// them, and now and then by looking itself, for who writes without hints. It reads on the session that all shards share, so that it
/// waits for no settlement; it publishes nothing and settles nothing.
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
    let hints: HintBoard
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
            let hinted = hints.take(shard)
            if isCrowded {
                do throws(StorageError) {
                    let picked = Lookahead.pick(from: hinted, inHand: inHand(view), excluding: view.paused)
                    try await fetch(picked, view)
                    if lookahead.isDue(generation: generation, at: .now) { try await look(&lookahead, view, generation) }
                } catch {
                    // The leader's reads find everything too, only later.
                    try? await Task.sleep(for: .seconds(1))
                }
            }
            await wakeUp.wait(since: generation, atMost: isCrowded ? Lookahead.shortestPause : .seconds(1))
        }
    }

    private func inHand(_ view: View) -> [TenantID: Int] {
        view.lanes.values.reduce(into: [:]) { $0.merge($1.inHand) { $0 + $1 } }
    }

    private func look(_ lookahead: inout Lookahead, _ view: View, _ generation: UInt64) async throws(StorageError) {
        let sightings = try await outbox.ahead(of: shard, after: lookahead.position, limit: Lookahead.stride)
        let picked = lookahead.pick(from: sightings, inHand: inHand(view), excluding: view.paused, generation: generation, at: .now)
        try await fetch(picked.map(\.seq), view)
    }

    private func fetch(_ seqs: [Int64], _ view: View) async throws(StorageError) {
        guard !seqs.isEmpty else { return }
        // A host without a lane has no backlog here: the next read finds its events.
        let entries = try await outbox.pending(seqs, of: shard)
        for (host, entries) in Dictionary(grouping: entries, by: \.virtualHost) { view.lanes[host]?.addFound(entries) }
    }
}
