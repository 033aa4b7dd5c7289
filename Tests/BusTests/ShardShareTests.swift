import Testing

@testable import Bus

@Suite("A relay's share of the shards")
struct ShardShareTests {
    private func leading(_ share: ShardShare) -> Set<Int16> { Set((0..<8).filter { share.begin($0) }) }

    @Test("nothing is led before the first look at the others")
    func blind() { #expect(leading(ShardShare(total: 8)).isEmpty) }

    @Test("each relay leads at most its part of all, rounded up", arguments: [(1, 8), (2, 4), (3, 3), (5, 2), (8, 1), (20, 1)])
    func part(relays: Int, part: Int) {
        let share = ShardShare(total: 8)
        share.saw(relays: relays, led: [])
        #expect(leading(share).count == part)
    }

    @Test("a shard that somebody leads is not asked for, and one of its own not twice")
    func taken() {
        let share = ShardShare(total: 8)
        share.saw(relays: 1, led: [2, 5])
        #expect(leading(share) == [0, 1, 3, 4, 6, 7])
        #expect(leading(share).isEmpty)
    }

    @Test("when another relay comes, exactly the excess is given back")
    func yields() {
        let share = ShardShare(total: 8)
        share.saw(relays: 1, led: [])
        #expect(leading(share).count == 8)
        share.saw(relays: 2, led: Set(0..<8))
        let given = (0..<8).filter { share.mustYield($0) }
        #expect(given.count == 4)
        #expect((0..<8).filter { share.mustYield($0) } == given, "asked again, the answer is the same")
        for shard in given { share.ended(shard) }
        #expect((0..<8).allSatisfy { !share.mustYield($0) })
        #expect(leading(share).isEmpty, "the quota is full")
    }

    @Test("what was given back is not taken again before another has had its chance")
    func leavesTheChance() {
        let share = ShardShare(total: 8)
        share.saw(relays: 1, led: [])
        #expect(share.begin(3))
        share.ended(3)
        #expect(!share.begin(3))
        share.saw(relays: 1, led: [])
        #expect(share.begin(3))
    }

    @Test("any number of relays that see each other lead every shard once, at most their part each")
    func together() {
        for count in 1...12 {
            let relays = (0..<count).map { _ in ShardShare(total: 8) }
            var led: Set<Int16> = []
            for _ in 0..<20 {
                for relay in relays {
                    relay.saw(relays: count, led: led)
                    for shard in (0..<8).map(Int16.init).shuffled() where relay.begin(shard) {
                        #expect(led.insert(shard).inserted)
                    }
                }
            }
            #expect(led.count == 8)
        }
    }
}
