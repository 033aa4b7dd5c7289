import Open311
import Testing

@testable import Storage

@Suite("The audit's buffer")
struct AuditBufferTests {
    private func call(_ operation: String = "GET services", tenant: Int32 = 1, bytes: Int = 10) -> AuditEntry {
        AuditEntry(
            at: Timestamp(seconds: 1), tenant: TenantID(tenant), direction: .inHTTP, operation: operation, result: "200",
            duration: .milliseconds(bytes), bytesIn: bytes, bytesOut: 1, correlationID: "c", bodyHash: [1])
    }

    @Test("calls add up whatever is merged, and numbers have no gap: a thousand random histories")
    func nothingIsLost() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<1_000 {
            let capacity = Int.random(in: 1...80, using: &random)
            var buffer = AuditBuffer(capacity: capacity)
            var (sent, given, written): (Int, Int64, [AuditBuffer.Row]) = (0, 0, [])
            for _ in 0..<300 {
                if Int.random(in: 0..<20, using: &random) == 0 {
                    let rows = buffer.take(Int.random(in: 1...50, using: &random))
                    buffer.done(rows.count)
                    written += rows
                } else {
                    let entry = call(["GET services", "POST requests"].randomElement(using: &random) ?? "", tenant: .random(in: 1...2))
                    if buffer.add(entry, mayMerge: Bool.random(using: &random)) {
                        sent += 1
                    } else {
                        #expect(buffer.waiting == capacity)
                        buffer.giveUp()
                        given += 1
                    }
                }
                #expect(buffer.waiting <= capacity)
            }
            written += buffer.take(.max)
            #expect(written.reduce(0) { $0 + $1.entry.calls } == sent)
            #expect(buffer.lost == given && buffer.lastNumber == Int64(written.count) + given)
            #expect(Set(written.map(\.number)).count == written.count && written.map(\.number) == written.map(\.number).sorted())
        }
    }

    @Test("a flood of equal calls is counted in one row, with sizes added up and without what was of one call alone")
    func floods() throws {
        var buffer = AuditBuffer(capacity: 100)
        for _ in 0..<1_000 {
            let isTaken = buffer.add(call(), mayMerge: true)
            #expect(isTaken)
        }
        let rows = buffer.take(.max)
        #expect(rows.count == AuditBuffer.singles)
        let last = try #require(rows.last?.entry)
        #expect(last.calls == 1_000 - AuditBuffer.singles + 1 && last.bytesIn == last.calls * 10)
        #expect(last.correlationID == nil && last.bodyHash == nil)
        #expect(rows.dropLast().allSatisfy { $0.entry.calls == 1 && $0.entry.correlationID == "c" })
    }

    @Test("what may not be merged stays a row each, and a full buffer takes no more")
    func bounds() {
        var buffer = AuditBuffer(capacity: 3)
        func isTaken() -> Bool { buffer.add(call(), mayMerge: false) }
        let first = [isTaken(), isTaken(), isTaken(), isTaken()]
        #expect(first == [true, true, true, false])
        let taken = buffer.take(2)
        // Until they are written they take room.
        let meanwhile = isTaken()
        buffer.done(taken.count)
        let afterwards = isTaken()
        #expect(!meanwhile && afterwards && buffer.lastWritten == 2)
    }
}
