import Testing

@testable import AMQP

@Suite("What is acknowledged with which frames")
struct DeliveryLedgerTests {
    private typealias Frame = DeliveryLedger.Acknowledgement

    @Test("what leaves no gap is told in one frame; what is beyond a gap waits for it, or is told alone when too much waits")
    func frames() {
        var ledger = DeliveryLedger()
        for tag in UInt64(1)...6 { ledger.delivered(tag) }
        #expect(ledger.done([2, 1], holding: 10) == [Frame(tag: 2, multiple: true)])
        #expect(ledger.done([4, 5], holding: 10).isEmpty && ledger.held == 2)
        #expect(ledger.done([3], holding: 10) == [Frame(tag: 5, multiple: true)] && ledger.held == 0)
        ledger.delivered(7)
        ledger.delivered(8)
        #expect(ledger.done([7, 8], holding: 1) == [Frame(tag: 7, multiple: false), Frame(tag: 8, multiple: false)])
        // Rejected: the frame of the next one speaks for what is left.
        ledger.delivered(9)
        #expect(ledger.done([9], holding: 10).isEmpty)
        #expect(ledger.told(6, multiple: false) == Frame(tag: 9, multiple: true))
    }

    @Test("whatever the order, the broker hears of each message once, in frames that name a message it still has")
    func everyOrder() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var ledger = DeliveryLedger()
            // What the broker still has.
            var unacknowledged: Set<UInt64> = []
            var open: [UInt64] = []
            var next: UInt64 = 1
            func tell(_ frames: [DeliveryLedger.Acknowledgement], done: Set<UInt64>) {
                for frame in frames {
                    #expect(unacknowledged.contains(frame.tag))
                    let gone: Set<UInt64> = frame.multiple ? unacknowledged.filter { $0 <= frame.tag } : [frame.tag]
                    #expect(gone.isSubset(of: done), "nothing is told that is not done")
                    unacknowledged.subtract(gone)
                }
            }
            var done: Set<UInt64> = []
            for _ in 0..<Int.random(in: 1...60, using: &random) {
                switch Int.random(in: 0..<4, using: &random) {
                case 0:
                    for _ in 0..<Int.random(in: 1...9, using: &random) {
                        ledger.delivered(next)
                        unacknowledged.insert(next)
                        open.append(next)
                        next += 1
                    }
                case 1 where !open.isEmpty:
                    let tag = open.remove(at: Int.random(in: 0..<open.count, using: &random))
                    unacknowledged.remove(tag)
                    tell(ledger.told(tag, multiple: false).map { [$0] } ?? [], done: done)
                default:
                    open.shuffle(using: &random)
                    let some = Array(open.prefix(Int.random(in: 0...5, using: &random)))
                    open.removeFirst(some.count)
                    done.formUnion(some)
                    let limit = Int.random(in: 0...6, using: &random)
                    tell(ledger.done(some, holding: limit), done: done)
                    #expect(ledger.held <= limit)
                }
            }
            done.formUnion(open)
            tell(ledger.done(open, holding: 0), done: done)
            #expect(unacknowledged.isEmpty && ledger.held == 0)
        }
    }

    @Test("a long life leaves nothing behind")
    func longLife() {
        var ledger = DeliveryLedger()
        for tag in UInt64(1)...20_000 {
            ledger.delivered(tag)
            #expect(ledger.done([tag], holding: 0) == [Frame(tag: tag, multiple: true)])
        }
        #expect(ledger.done([5, 20_001], holding: 0).isEmpty, "what is told, or was never delivered, is not told")
    }
}
