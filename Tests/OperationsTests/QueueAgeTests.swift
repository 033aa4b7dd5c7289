import Testing

@testable import Operations

@Suite("The age of the oldest message")
struct QueueAgeTests {
    private let start = ContinuousClock.now

    private func at(_ seconds: Int) -> ContinuousClock.Instant { start.advanced(by: .seconds(seconds)) }

    @Test("against a queue that is played beside it: never older than the oldest really is, and not younger than a look before")
    func model() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var queue: [Int] = []
            var taken = 0
            var age = QueueAge()
            let step = 5
            for second in stride(from: 0, to: 2_000, by: step) {
                queue += [Int](repeating: second, count: [0, 0, 1, 3].randomElement(using: &random) ?? 0)
                let gone = min(queue.count, [0, 0, 0, 2, 9].randomElement(using: &random) ?? 0)
                queue.removeFirst(gone)
                taken += gone
                let told = age.observe(depth: queue.count, taken: taken, at: at(second))
                let real = queue.first.map { second - $0 } ?? 0
                #expect(told == .seconds(real), "\(second): \(told), really \(real)")
            }
        }
    }

    @Test("a broker that counts anew, and a purge, begin a new count; what was there at the first look is as old as the look")
    func beginsAnew() {
        var age = QueueAge()
        #expect(age.observe(depth: 5, taken: 100, at: at(0)) == .zero)
        #expect(age.observe(depth: 5, taken: 100, at: at(60)) == .seconds(60))
        #expect(age.observe(depth: 5, taken: 0, at: at(70)) == .zero)
        #expect(age.observe(depth: 0, taken: 0, at: at(80)) == .zero)
        #expect(age.observe(depth: 1, taken: 0, at: at(90)) == .zero)
        #expect(age.observe(depth: 1, taken: 0, at: at(100)) == .seconds(10))
    }

    @Test("a backlog of months stays bounded, and its oldest message keeps its age")
    func bounded() {
        var age = QueueAge()
        var told = Duration.zero
        for step in 0..<20_000 { told = age.observe(depth: step + 1, taken: 0, at: at(step)) }
        #expect(told == .seconds(19_999))
    }
}
