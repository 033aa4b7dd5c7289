import Testing

@testable import Postgres

/// The wire form of parameters; that PostgreSQL reads the same out of it is for PostgresIntegrationTests.
@Suite("Parameters on the wire")
struct ParameterBytesTests {
    private func encoded(_ parameter: Parameter) -> [UInt8]? {
        let bytes = ParameterBytes([.text("before"), parameter])
        let span = bytes.spans[1]
        return span.length < 0 ? nil : Array(bytes.bytes[span.start..<span.start + span.length])
    }

    @Test("keep null apart from empty")
    func nulls() {
        #expect(encoded(.null) == nil)
        #expect(
            encoded(.text(nil)) == nil && encoded(.int64(nil)) == nil && encoded(.double(nil)) == nil && encoded(.timestamp(nil)) == nil)
        #expect(encoded(.text("")) == [])
        #expect(encoded(.bytes([])) == [])
        #expect(encoded(.json([])) == [1])
    }

    @Test("are big-endian, and moments count from 2000")
    func numbers() {
        #expect(encoded(.int16(-2)) == [0xFF, 0xFE])
        #expect(encoded(.int32(0x0102_0304)) == [1, 2, 3, 4])
        #expect(encoded(.double(-0.0)) == [0x80, 0, 0, 0, 0, 0, 0, 0])
        #expect(encoded(.timestamp(946_684_800_000_001)) == [0, 0, 0, 0, 0, 0, 0, 1])
        #expect(encoded(.uuid(high: 1, low: 2)) == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2])
    }

    @Test("show the ends of time as infinities")
    func infinities() {
        #expect(encoded(.timestamp(.max)) == [0x7F] + [UInt8](repeating: 0xFF, count: 7))
        #expect(encoded(.timestamp(.min)) == [0x80] + [UInt8](repeating: 0, count: 7))
        #expect(encoded(.timestamp(.min + 1)) == [0x80] + [UInt8](repeating: 0, count: 7))
    }

    @Test("of an array carry its type, its length, and −1 for each null")
    func arrays() {
        #expect(encoded(.int32s([])) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23])
        #expect(
            encoded(.texts(["é", nil])) == [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0xC3, 0xA9]
                + [0xFF, 0xFF, 0xFF, 0xFF])
    }
}
