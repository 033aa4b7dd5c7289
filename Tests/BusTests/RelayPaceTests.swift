import Testing

@testable import Bus

@Suite("The relay's pace")
struct RelayPaceTests {
    private func pace(_ maximum: Int = 256) -> RelayPace { RelayPace(maximum: maximum, confirmTimeout: .seconds(15)) }

    @Test("doubles each round while confirms come at once, up to the window")
    func grows() {
        var pace = pace()
        var rounds = 0
        while pace.limit < 256 {
            let before = pace.limit
            for _ in 0..<before { pace.confirmed(after: .milliseconds(2)) }
            #expect(pace.limit == min(256, before * 2))
            rounds += 1
        }
        #expect(rounds == 6)
        #expect(pace.bytes(of: 1_048_576) == 1_048_576)
    }

    @Test("halves once a round when confirms come slowly, and stays between the two")
    func shrinks() {
        var pace = pace()
        for _ in 0..<300 { pace.confirmed(after: .milliseconds(1)) }
        for _ in 0..<256 { pace.confirmed(after: .seconds(9)) }
        #expect(pace.limit == 128, "one round, one halving")
        for _ in 0..<10_000 { pace.confirmed(after: .seconds(9)) }
        #expect(pace.limit == 1)
        for _ in 0..<100 { pace.confirmed(after: .seconds(4)) }
        #expect(pace.limit == 1, "neither fast nor slow")
        #expect(pace.bytes(of: 1_048_576) == 4_096)
    }

    @Test("is more patient after each confirm that did not come, within a bound, until one comes")
    func patience() {
        var pace = pace(2)
        #expect(pace.limit == 2)
        for expected in [30, 60, 120, 240, 240] {
            pace.gaveUp()
            pace.reconnected()
            #expect(pace.patience == .seconds(expected) && pace.limit == 1)
        }
        pace.confirmed(after: .seconds(100))
        #expect(pace.patience == .seconds(15))
    }

    /// A link that carries one event a `second` after the other, as a bottleneck does.
    @Test("on a slow link keeps every confirm within the timeout, whatever waits", arguments: [0.05, 0.4, 0.75, 1.5, 3])
    func slowLink(seconds: Double) {
        var pace = pace()
        var clock = 0.0
        var linkFree = 0.0
        var flying: [(sent: Double, lands: Double)] = []
        var worst = 0.0
        for _ in 0..<400 {
            while flying.count < pace.limit {
                linkFree = max(linkFree, clock) + seconds
                flying.append((clock, linkFree + 1))
            }
            let next = flying.removeFirst()
            clock = next.lands
            worst = max(worst, next.lands - next.sent)
            pace.confirmed(after: .seconds(next.lands - next.sent))
        }
        #expect(worst < 15, "a confirm took \(worst) s")
    }
}
