import Foundation
import Open311
import Testing

@Suite("JSON as a tree")
struct JSONReaderTests {
    private func fault(_ text: String) -> String? {
        do { _ = try JSONReader.value(Array(text.utf8)) } catch { return "\(error)" }
        return nil
    }

    @Test("whatever was written is read again, and equal values have equal bytes")
    func roundTrip() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<500 {
            let value = Self.value(depth: 0, &random)
            let bytes = value.canonicalBytes
            let read = try JSONReader.value(bytes)
            #expect(read.canonicalBytes == bytes)
            // Foundation, which knows nothing of this reader, reads the same.
            let other = try JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])
            let again = try JSONSerialization.data(withJSONObject: [other], options: [.sortedKeys])
            #expect(try JSONReader.value(Array(again)).array?.first?.canonicalBytes == bytes)
        }
    }

    private static func value(depth: Int, _ random: inout SystemRandomNumberGenerator) -> JSONValue {
        switch Int.random(in: 0..<(depth > 3 ? 4 : 6), using: &random) {
        case 0: .null
        case 1: .bool(.random(using: &random))
        case 2: .number(Double(Int.random(in: -1_000_000...1_000_000, using: &random)) / 64)
        case 3: .string(text(&random))
        case 4: .array((0..<Int.random(in: 0..<5, using: &random)).map { _ in value(depth: depth + 1, &random) })
        default:
            .object((0..<Int.random(in: 0..<24, using: &random)).map { .init("\($0)" + text(&random), value(depth: depth + 1, &random)) })
        }
    }

    private static func text(_ random: inout SystemRandomNumberGenerator) -> String {
        String((0..<Int.random(in: 0..<8, using: &random)).map { _ in "aé\"\\/\n\t𝄞☃\u{1}b".randomElement(using: &random) ?? "x" })
    }

    @Test("no bytes end it otherwise than by a value or a named fault")
    func anyBytes() {
        var random = SystemRandomNumberGenerator()
        let seed = Array(#"[{"a": -1.5e3, "b\u00e9": "\ud834\udd1e\n", "c": [true, null]}, "é"]"#.utf8)
        for _ in 0..<20_000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
            _ = try? JSONReader.value(bytes)
        }
    }

    @Test(
        "a fault is told with its place",
        arguments: [
            ("", "line 1, column 1: the text ends where a value should be"),
            ("[1,\n 2,]", "line 2, column 4: no value begins so"),
            (#"{"a": 1, "a": 2}"#, "line 1, column 10: the member “a” occurs twice in one object"),
            ("[01]", "line 1, column 2: no number is written so"), ("[1.]", "line 1, column 2: no number is written so"),
            ("\"a", "line 1, column 1: this string does not end"),
            ("[1] x", "line 1, column 5: something comes after the end of the value"),
            (#""\ud834""#, "line 1, column 2: half of a surrogate pair"),
            (#""\u0000""#, "line 1, column 2: the character U+0000 cannot be kept"),
            ("[1e999]", "line 1, column 2: this number is too large or too long"),
        ])
    func faults(text: String, expected: String) { #expect(fault(text) == expected) }

    @Test("depth is bounded; a byte-order mark is passed over; Latin-1 is named")
    func bounds() throws {
        #expect(fault(String(repeating: "[", count: 1_000))?.contains("64 containers") == true)
        #expect(fault(String(repeating: "[", count: 64) + String(repeating: "]", count: 64)) == nil)
        #expect(try JSONReader.value([0xEF, 0xBB, 0xBF] + Array("[1]".utf8)) == .array([.number(1)]))
        let error = #expect(throws: JSONFault.self) { try JSONReader.value([UInt8(ascii: "\""), 0xE9, UInt8(ascii: "\"")]) }
        #expect(error?.text.contains("Latin-1") == true)
    }

    @Test("one member of many that occurs twice is found")
    func manyMembers() {
        let names = (0..<100).map { "\"m\($0)\": 1" }
        #expect(fault("{" + names.joined(separator: ", ") + "}") == nil)
        for twice in [0, 14, 15, 16, 17, 50] {
            #expect(fault("{" + (names + ["\"m\(twice)\": 2"]).joined(separator: ", ") + "}")?.contains("m\(twice)") == true)
        }
    }
}
