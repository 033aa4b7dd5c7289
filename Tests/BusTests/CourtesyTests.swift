import Open311
import Testing

@testable import Bus

@Suite("Backlogs hold back for whoever has none")
struct CourtesyTests {
    private let start = ContinuousClock.now
    private let quiet = TenantID(1)

    /// What leaves of backlogs in a second, asked for each millisecond, while a quiet tenant's twenty events are confirmed after
    /// `latency` seconds.
    private func second(_ courtesy: inout Courtesy, from begin: ContinuousClock.Instant, latency: (_ rate: Double) -> Double) -> Int {
        var sent = 0
        for millisecond in 1...1_000 {
            let now = begin.advanced(by: .milliseconds(millisecond))
            courtesy.noted(served: [quiet], crowding: [TenantID(2)], at: now)
            courtesy.sawBacklog(at: now)
            sent += courtesy.take(at: now)
            if millisecond % 50 == 0 { courtesy.confirmed(after: latency(courtesy.rate), at: now) }
        }
        return sent
    }

    @Test("only while somebody was served within ten seconds who has no backlog")
    func isDue() {
        var courtesy = Courtesy()
        var seen: [Bool] = [courtesy.isDue(at: start)]
        courtesy.noted(served: [], crowding: [TenantID(2)], at: start)
        seen.append(courtesy.isDue(at: start))
        courtesy.noted(served: [quiet], crowding: [TenantID(2)], at: start)
        for seconds in [9, 11] { seen.append(courtesy.isDue(at: start.advanced(by: .seconds(seconds)))) }
        // Whoever has become a backlog is none for whom one would hold back.
        courtesy.noted(served: [quiet], crowding: [], at: start.advanced(by: .seconds(20)))
        courtesy.noted(served: [], crowding: [quiet], at: start.advanced(by: .seconds(21)))
        seen.append(courtesy.isDue(at: start.advanced(by: .seconds(21))))
        #expect(seen == [false, false, true, false, false])
    }

    @Test("a broker that confirms as quickly as ever is given more and more")
    func grows() {
        var courtesy = Courtesy()
        let first = second(&courtesy, from: start) { _ in 0.002 }
        let second = second(&courtesy, from: start.advanced(by: .seconds(1))) { _ in 0.002 }
        #expect(second > first && second > 3_000)
    }

    @Test("one that becomes slow above some rate is kept near that rate, never stopped", arguments: [2_000.0, 5_000])
    func settles(capacity: Double) {
        var courtesy = Courtesy()
        // While there is no backlog a confirm takes two milliseconds.
        for _ in 0..<100 { courtesy.confirmed(after: 0.002, at: start) }
        var sent = 0
        for number in 0..<8 {
            sent = second(&courtesy, from: start.advanced(by: .seconds(number))) { $0 > capacity ? 0.02 : 0.002 }
        }
        #expect(Double(sent) > capacity * 0.6 && Double(sent) < capacity * 1.2, "\(sent)")
        for number in 8..<20 { sent = second(&courtesy, from: start.advanced(by: .seconds(number))) { _ in 1 } }
        #expect(sent > 800, "a backlog is sent however slow the broker is")
    }

    @Test("what was taken and not used is there for the next")
    func givesBack() {
        var courtesy = Courtesy()
        let now = start.advanced(by: .seconds(1))
        var taken = [courtesy.take(at: start)]
        for _ in 0..<3 { taken.append(courtesy.take(at: now)) }
        courtesy.giveBack(Courtesy.portion)
        taken.append(courtesy.take(at: now))
        #expect(taken == [0, Courtesy.portion, Courtesy.portion, 0, Courtesy.portion])
    }
}
