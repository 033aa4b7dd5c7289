import Open311
import Testing

@Suite("Trace context")
struct TraceContextTests {
    private static let example = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test("the recommendation's own example reads and writes back")
    func example() throws {
        let trace = try #require(TraceContext(parsing: Self.example))
        #expect(trace.description == Self.example)
        #expect(trace.traceID.count == 16 && trace.traceID.first == 0x0A && trace.traceID.last == 0x9C)
    }

    @Test("any trace reads back as it was written; its next step is of the same trace and another step")
    func roundTrip() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<1_000 {
            let trace = TraceContext.random(using: &random)
            #expect(TraceContext(parsing: trace.description) == trace)
            let child = trace.child(using: &random)
            #expect(child.traceID == trace.traceID && child.span != trace.span && child.flags == trace.flags)
        }
    }

    @Test(
        "what the recommendation refuses is no trace",
        arguments: [
            "", "00", "garbage", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x", "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033311-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0é",
        ])
    func refused(text: String) { #expect(TraceContext(parsing: text) == nil) }

    @Test("of a later version, what version 00 has is taken")
    func laterVersion() {
        let later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes"
        #expect(TraceContext(parsing: later)?.description == Self.example)
    }

    @Test("one changed byte never crashes, and what reads is written in its own form")
    func mutations() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = Array(Self.example.utf8)
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0...3, using: &random)) }
            guard let trace = TraceContext(parsing: String(decoding: bytes, as: UTF8.self)) else { continue }
            #expect(TraceContext(parsing: trace.description) == trace)
        }
    }
}
