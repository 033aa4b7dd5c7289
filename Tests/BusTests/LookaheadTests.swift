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
        #expect(ahead.isDue(generation: 1, at: at(10)), "the look was cut by its limit")
        _ = ahead.pick(from: [], inHand: [:], excluding: [], generation: 1, at: at(10))
        #expect(!ahead.isDue(generation: 1, at: at(500)))
        #expect(ahead.isDue(generation: 2, at: at(500)))
        #expect(ahead.isDue(generation: 1, at: at(1_011)))
    }

    @Test("after a lost connection everything is seen again")
    func rewinds() {
        var ahead = Lookahead()
        _ = ahead.pick(from: sightings([1, 2]), inHand: [:], excluding: [], generation: 1, at: at(0))
        ahead.rewind()
        #expect(ahead.position == 0)
        #expect(ahead.isDue(generation: 1, at: at(10)))
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
        #expect(crowd.part(of: 256) == 32)
        for _ in 0..<92 { crowd.enter() }
        #expect(crowd.part(of: 256) == 24)
        for _ in 0..<100 { crowd.leave() }
        #expect(crowd.part(of: 256) == 256)
    }
}
