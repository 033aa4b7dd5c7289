import Open311
import Testing

@testable import Storage

@Suite("Hints of events that were just committed")
struct OutboxHintTests {
    @Test("payloads say what they were made of, and none is too long for PostgreSQL")
    func roundTrip() {
        for count in [0, 1, 300, 4_096] {
            let hints = (0..<count).map {
                OutboxHint(shard: Int16($0 % 8), tenant: TenantID(Int32($0)), seq: 2_611_000_000_000 + Int64($0))
            }
            let payloads = OutboxHint.payloads(hints)
            #expect(!payloads.isEmpty && payloads.allSatisfy { $0.utf8.count < 8_000 })
            #expect(payloads.flatMap(OutboxHint.all) == hints)
        }
    }

    @Test(
        "what is no hint is left out",
        arguments: ["", " ", ":", "1:2", "1:2:3:4", "a:b:c", "-1:2:3", "1:2:0", "70000:1:1", "1:2:99999999999999999999"])
    func garbage(_ payload: String) {
        #expect(OutboxHint.all(in: payload).isEmpty)
        #expect(OutboxHint.all(in: payload + " 1:2:3") == [OutboxHint(shard: 1, tenant: TenantID(2), seq: 3)])
    }

    @Test("random bytes never end the reader")
    func property() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0..<60, using: &random)).map { _ in "0123456789: -x".utf8.randomElement(using: &random) ?? 0 }
            for hint in OutboxHint.all(in: String(decoding: bytes, as: UTF8.self)) { #expect(hint.seq > 0 && hint.shard >= 0) }
        }
    }
}
