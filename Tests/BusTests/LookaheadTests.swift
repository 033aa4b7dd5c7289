import Open311
import Storage
import Testing

@testable import Bus

@Suite("Looking ahead behind a backlog")
struct LookaheadTests {
    private let start = ContinuousClock.now
    private func at(_ milliseconds: Int) -> ContinuousClock.Instant { start.advanced(by: .milliseconds(milliseconds)) }
    private func sightings(_ tenants: [Int32], from first: Int64 = 1, isFirst: Bool = true) -> [OutboxSighting] {
        tenants.enumerated().map { .init(seq: first + Int64($0.offset), tenant: TenantID($0.element), isFirst: isFirst) }
    }

    @Test("of each tenant no more is picked than makes enough in hand")
    func enough() {
        var ahead = Lookahead()
        let seen = sightings((0..<100).map { Int32($0 % 2 + 1) } + [3])
        let picked = ahead.pick(from: seen, inHand: [TenantID(1): 5], excluding: [], generation: 1, at: at(0))
        #expect(picked.filter { $0.tenant == TenantID(1) }.count == Lookahead.enough - 5)
        #expect(picked.filter { $0.tenant == TenantID(2) }.count == Lookahead.enough)
        #expect(picked.filter { $0.tenant == TenantID(3) }.map(\.seq) == [101])
        #expect(ahead.position == 0, "an event below may still be committing")
        _ = ahead.pick(from: sightings([4], from: 102), inHand: [:], excluding: [], generation: 1, at: at(600))
        #expect(ahead.position == 101)
    }

    @Test("nothing is picked that an earlier event of its request may wait before, and nothing of a tenant that pauses")
    func order() {
        var ahead = Lookahead()
        #expect(ahead.pick(from: sightings([1], isFirst: false), inHand: [:], excluding: [], generation: 1, at: at(0)).isEmpty)
        #expect(ahead.pick(from: sightings([2], from: 2), inHand: [:], excluding: [TenantID(2)], generation: 1, at: at(1)).isEmpty)
    }

    @Test("due at once, then when there is more or something was committed, and every second")
    func due() {
        var ahead = Lookahead()
        #expect(ahead.isDue(generation: 1, at: at(0)))
        _ = ahead.pick(
            from: sightings([Int32](repeating: 1, count: Lookahead.stride)), inHand: [:], excluding: [], generation: 1, at: at(0))
        #expect(!ahead.isDue(generation: 1, at: at(1)))
        #expect(ahead.isDue(generation: 1, at: at(100)), "the look was cut by its limit")
        _ = ahead.pick(from: [], inHand: [:], excluding: [], generation: 1, at: at(100))
        #expect(!ahead.isDue(generation: 1, at: at(500)))
        #expect(ahead.isDue(generation: 2, at: at(500)))
        #expect(ahead.isDue(generation: 1, at: at(1_101)))
    }

    @Test("after a lost connection everything is seen again")
    func rewinds() {
        var ahead = Lookahead()
        _ = ahead.pick(from: sightings([1, 2]), inHand: [:], excluding: [], generation: 1, at: at(0))
        ahead.rewind()
        #expect(ahead.position == 0)
        #expect(ahead.isDue(generation: 1, at: at(100)))
    }

    @Test("hints lead to the events of those who have few in hand")
    func hints() {
        let hints =
            (1...20).map { OutboxHint(shard: 3, tenant: TenantID(1), seq: $0) } + [OutboxHint(shard: 3, tenant: TenantID(2), seq: 21)]
        #expect(Lookahead.pick(from: hints, inHand: [TenantID(1): 6], excluding: []) == [1, 2, 21])
        #expect(Lookahead.pick(from: hints, inHand: [TenantID(1): 90], excluding: [TenantID(2)]) == [])
    }
}

@Suite("Hints on their way to the scouts")
struct HintBoardTests {
    @Test("each shard's are taken once; those of shards led elsewhere, and too many, are dropped")
    func board() {
        let board = HintBoard(shards: [0, 1])
        let hint = { (shard: Int16, seq: Int64) in OutboxHint(shard: shard, tenant: TenantID(1), seq: seq) }
        board.add([hint(0, 1), hint(1, 2), hint(2, 3), hint(0, 4)])
        #expect(board.take(0).map(\.seq) == [1, 4])
        #expect(board.take(0).isEmpty)
        #expect(board.take(1).map(\.seq) == [2])
        #expect(board.take(2).isEmpty)
        board.add((1...5_000).map { hint(1, $0) })
        #expect(board.take(1).count == 2_000)
    }
}

@Suite("What the lanes of a relay may have unconfirmed")
struct LaneCrowdTests {
    @Test("one lane has the whole window, eight share it, and none has too little to work")
    func parts() {
        let crowd = LaneCrowd()
        #expect(crowd.part(of: 256) == 256)
        crowd.enter()
        #expect(crowd.part(of: 256) == 256)
        for _ in 1..<8 { crowd.enter() }
        #expect(crowd.part(of: 256) == 16)
        for _ in 0..<92 { crowd.enter() }
        #expect(crowd.part(of: 256) == 12)
        for _ in 0..<100 { crowd.leave() }
        #expect(crowd.part(of: 256) == 256)
    }
}
