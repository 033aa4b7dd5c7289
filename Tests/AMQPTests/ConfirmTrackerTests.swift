import Testing

@testable import AMQP

@Suite("Confirm tracking")
struct ConfirmTrackerTests {
    private let now = ContinuousClock.now
    private var tracker = ConfirmTracker()
    private var resolutions: [Resolution] = []

    private mutating func send(_ tags: ClosedRange<Int64>) {
        for tag in tags { tracker.sent(tag: tag, messageID: "m\(tag)", at: now) }
    }

    private mutating func settle(_ deliveryTag: UInt64, multiple: Bool = false, accepted: Bool = true) {
        tracker.settle(deliveryTag: deliveryTag, multiple: multiple, accepted: accepted, at: now, into: &resolutions)
    }

    @Test("delivery tags count from one, whatever the caller's numbers are")
    mutating func countsFromOne() {
        send(501...503)
        settle(2)
        #expect(resolutions.map(\.tag) == [502])
        #expect(tracker.count == 2)
    }

    @Test("a multiple acknowledgement settles all up to its tag, and none twice")
    mutating func multiple() {
        send(1...6)
        settle(2)
        settle(4, multiple: true)
        #expect(resolutions.map(\.tag) == [2, 1, 3, 4])
        settle(4, multiple: true)
        settle(1)
        #expect(resolutions.count == 4)
    }

    @Test("tag zero with multiple settles everything")
    mutating func zeroMeansAll() {
        send(1...3)
        settle(0, multiple: true, accepted: false)
        #expect(resolutions.map(\.outcome) == [.nacked, .nacked, .nacked])
    }

    @Test("answers for tags never given out change nothing")
    mutating func unknownTags() {
        send(1...2)
        settle(3)
        settle(0)
        settle(.max)
        #expect(resolutions.isEmpty)
        settle(.max, multiple: true)
        #expect(resolutions.count == 2)
    }

    @Test("a returned message is never confirmed by the acknowledgement that follows")
    mutating func returned() {
        send(1...3)
        let isKnown = tracker.returned(messageID: "m2", code: 312, text: "NO_ROUTE")
        #expect(isKnown)
        settle(3, multiple: true)
        #expect(resolutions.map(\.outcome) == [.confirmed, .returned(code: 312, text: "NO_ROUTE"), .confirmed])
    }

    @Test("of two messages with the same id, the older is returned first")
    mutating func sameIDTwice() {
        tracker.sent(tag: 1, messageID: "same", at: now)
        tracker.sent(tag: 2, messageID: "same", at: now)
        let isKnown = tracker.returned(messageID: "same", code: 312, text: "")
        #expect(isKnown)
        settle(2)
        settle(1)
        #expect(resolutions.map(\.outcome) == [.confirmed, .returned(code: 312, text: "")])
    }

    @Test("a return of a message that is not in flight is not accepted")
    mutating func unknownReturn() {
        send(1...1)
        let isKnown = tracker.returned(messageID: "other", code: 312, text: "")
        settle(1)
        let isStillInFlight = tracker.returned(messageID: "m1", code: 312, text: "")
        #expect(!isKnown && !isStillInFlight)
    }

    @Test("giving up lists what had no outcome and starts counting again")
    mutating func failAll() {
        send(1...5)
        settle(1)
        settle(4)
        let unresolved = tracker.failAll()
        #expect(unresolved == [2, 3, 5])
        #expect(tracker.count == 0)
        send(9...9)
        settle(1)
        #expect(resolutions.last?.tag == 9)
    }

    @Test("in any order of answers each message is resolved exactly once, or listed", arguments: 0..<200)
    mutating func randomized(seed: UInt64) {
        var random = SplitMix(state: seed)
        var sent: Int64 = 0
        var returned: Set<Int64> = []
        for _ in 0..<Int.random(in: 1...400, using: &random) {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                // Long runs, so that resolved entries are dropped in the middle too.
                for _ in 0..<Int.random(in: 1...40, using: &random) {
                    sent += 1
                    tracker.sent(tag: sent, messageID: "m\(sent)", at: now)
                }
            case 5 where sent > 0:
                let tag = Int64.random(in: 1...sent, using: &random)
                if tracker.returned(messageID: "m\(tag)", code: 312, text: "") { returned.insert(tag) }
            default:
                let tag = UInt64.random(in: 0...UInt64(sent + 2), using: &random)
                settle(tag, multiple: .random(using: &random), accepted: .random(using: &random))
            }
        }
        let left = tracker.failAll()
        #expect((resolutions.map(\.tag) + left).sorted() == Array(1..<(sent + 1)))
        for resolution in resolutions {
            let wasReturned = resolution.outcome == .returned(code: 312, text: "")
            #expect(wasReturned == returned.contains(resolution.tag))
        }
        #expect(left == left.sorted())
    }
}

/// A small generator, so that a failing seed fails again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
