import Open311
import Testing

@testable import Bus

@Suite("The purge detector")
struct PurgeDetectorTests {
    private static let start = ContinuousClock.now

    private typealias Sample = (at: Int, depth: Int?, taken: Int, dead: Int)

    /// Samples as (seconds, depth, taken, dead); what was found at each.
    private func losses(_ samples: [Sample], sawBefore: Bool = true) -> [UnexplainedLoss?] {
        var detector = PurgeDetector()
        let before = sawBefore ? [-10, -5].map { Sample($0, samples[0].depth, samples[0].taken, samples[0].dead) } : []
        return Array(
            (before + samples).map { sample in
                detector.observe(
                    sample.depth.map {
                        QueueSample(at: Self.start.advanced(by: .seconds(sample.at)), depth: $0, taken: sample.taken, dead: sample.dead)
                    })
            }.dropFirst(before.count))
    }

    @Test("what falls behind the first look may have been taken before it, and is no purge")
    func first() {
        let samples: [Sample] = [(0, 100, 97, 0), (5, 3, 97, 0), (10, 3, 97, 0), (16, 3, 97, 0), (42, 3, 97, 0)]
        #expect(losses(samples, sawBefore: false).allSatisfy { $0 == nil })
        #expect(losses(samples).contains { $0 != nil })
    }

    @Test("a fall that nothing explains is told once, when the statistics have caught up")
    func purge() {
        let found = losses([(0, 40, 7, 0), (5, 0, 7, 0), (10, 0, 7, 0), (16, 0, 7, 0), (21, 0, 7, 0)])
        #expect(found == [nil, nil, nil, UnexplainedLoss(depth: 40, missing: 40), nil])
    }

    @Test("a small fall is told when nobody takes anything for half a minute, and else is none")
    func small() {
        let quiet = losses([(0, 3, 7, 0), (5, 0, 7, 0), (16, 0, 7, 0), (30, 0, 7, 0), (36, 0, 7, 0), (42, 0, 7, 0)])
        #expect(quiet == [nil, nil, nil, nil, UnexplainedLoss(depth: 3, missing: 3), nil])
        #expect(losses([(0, 3, 7, 0), (5, 0, 7, 0), (16, 0, 7, 0), (30, 0, 8, 0), (42, 0, 8, 0)]).allSatisfy { $0 == nil })
        #expect(losses([(0, 3, 7, 0), (5, 0, 7, 0), (16, 0, 10, 0), (42, 0, 10, 0)]).allSatisfy { $0 == nil })
        // A large one behind it does not wait for it.
        let both = losses([(0, 3, 7, 0), (5, 0, 7, 0), (10, 90, 7, 0), (15, 0, 7, 0), (27, 0, 7, 0), (36, 0, 7, 0)])
        #expect(both == [nil, nil, nil, nil, UnexplainedLoss(depth: 90, missing: 90), UnexplainedLoss(depth: 3, missing: 3)])
    }

    @Test("acknowledgements that are told late, dead letters, and twenty messages among many are no purge")
    func explained() {
        #expect(losses([(0, 100, 0, 0), (5, 0, 0, 0), (10, 0, 60, 0), (16, 0, 100, 0), (21, 0, 100, 0)]).allSatisfy { $0 == nil })
        #expect(losses([(0, 100, 0, 0), (5, 0, 0, 50), (10, 0, 50, 50), (16, 0, 50, 50)]).allSatisfy { $0 == nil })
        #expect(losses([(0, 21, 0, 0), (5, 0, 0, 0), (10, 0, 1, 0), (16, 0, 1, 0)]).allSatisfy { $0 == nil })
    }

    @Test("a consumer that comes and goes while the queue has not counted anew is no purge")
    func countedBefore() {
        #expect(losses([(0, 0, 0, 0), (5, 100, 0, 0), (10, 100, 97, 1), (15, 0, 99, 1), (27, 0, 99, 1)]).allSatisfy { $0 == nil })
        // What was taken long before explains nothing.
        let purge = losses([(0, 100, 0, 0), (5, 3, 97, 0), (10, 100, 97, 0), (15, 100, 97, 0), (20, 0, 97, 0), (32, 0, 97, 0)])
        #expect(purge.last == UnexplainedLoss(depth: 100, missing: 100))
    }

    @Test("what was taken is subtracted from what is missing")
    func partly() {
        #expect(losses([(0, 100, 0, 0), (5, 0, 10, 0), (16, 0, 30, 5)]).last == UnexplainedLoss(depth: 100, missing: 65))
    }

    @Test("a broker that starts again, and a queue that is gone, are no purge")
    func restart() {
        #expect(losses([(0, 100, 50, 0), (5, 0, 50, 0), (16, 0, 0, 0), (21, 0, 0, 0)]).allSatisfy { $0 == nil })
        #expect(losses([(0, 100, 50, 0), (5, nil, 0, 0), (10, 0, 50, 0), (21, 0, 50, 0)]).allSatisfy { $0 == nil })
    }

    @Test("a queue that nobody can count is there; one that is not listed is gone")
    func uncounted() throws {
        let names = Topology(tenant: try TenantKey(validating: "valmont-7f3a9c"))
        func sight(_ depths: [String: Int?]) -> QueueSight {
            BrokerMonitor.View(depths: depths, taken: [:], unacknowledged: [:], consumers: [:], connections: [:])
                .sight(of: names, at: Self.start)
        }
        #expect(sight([names.requestQueue: nil, names.deadQueue: 3]) == .uncounted)
        #expect(sight([names.deadQueue: 3]) == .gone)
        let sample = QueueSample(at: Self.start, depth: 7, taken: 0, dead: 0)
        #expect(sight([names.requestQueue: 7, names.deadQueue: nil]) == .sample(sample))
    }

    @Test("whatever a consumer does, with statistics up to ten seconds late and depths up to five, nothing is suspected")
    func noFalseAlarm() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var detector = PurgeDetector()
            var depth = 0
            var depths = [0]
            var taken = [0]
            var dead = 0
            var counted = 0
            for step in 0..<100 {
                depth += Int.random(in: 0...200, using: &random)
                let leaves = Int.random(in: 0...depth, using: &random)
                let dies = Int.random(in: 0...leaves, using: &random) / 4
                depth -= leaves
                dead += dies
                taken.append((taken.last ?? 0) + leaves - dies)
                depths.append(depth)
                // Told now, five or ten seconds ago; never less than was told before.
                let told = taken[max(0, taken.count - 1 - Int.random(in: 0...2, using: &random))]
                counted = max(counted, told)
                let seen = depths[depths.count - 1 - Int.random(in: 0...1, using: &random)]
                let loss = detector.observe(
                    QueueSample(at: Self.start.advanced(by: .seconds(step * 5)), depth: seen, taken: counted, dead: dead))
                #expect(loss == nil, "step \(step)")
            }
        }
    }
}
