import Foundation
import Testing

@testable import Open311

@Suite("Live counts")
struct LiveCountFormTests {
    private let now = Timestamp(seconds: 1_795_000_000)

    private func faults(_ read: (LiveCountForm) throws(ReferenceFaults) -> Void) -> [String: String] {
        do {
            try read(LiveCountForm(receivedAt: now))
            return [:]
        } catch { return Dictionary(error.listed.map { ($0.pointer, $0.text) }, uniquingKeysWith: { $0 + " " + $1 }) }
    }

    @Test("a count without a moment is of now")
    func momentOfNow() throws {
        let counts = try LiveCountForm(receivedAt: now).counts(json: Array(#"{"counts":[{"id":"k-1","free":80}]}"#.utf8))
        #expect(counts.count == 1 && counts[0].countedAt == now && counts[0].free == 80)
        let table = "id;free;counted_datetime\nk-1;80;\nk-2;0;2026-01-01T10:00:00+01:00\n"
        let read = try LiveCountForm(receivedAt: now).counts(table: Array(table.utf8), charset: nil)
        #expect(read.map(\.free) == [80, 0] && read[1].countedAt == Timestamp(parsing: "2026-01-01T09:00:00Z"))
    }

    @Test("every fault by its pointer: twice the same, negative, fractions, booleans, clocks ahead")
    func everyFault() {
        let text = """
            {"counts":[{"id":"k","free":1},{"id":"k","free":2},{"id":"l","free":-1},{"id":"m","free":1.5},{"id":"n","free":true},
             {"id":"o","free":1,"counted_datetime":"2100-01-01T00:00:00Z"},{"id":"p","free":1,"counted_datetime":"noon"},{"free":1},3]}
            """
        let found = faults { form throws(ReferenceFaults) in _ = try form.counts(json: Array(text.utf8)) }
        #expect(
            Set(found.keys) == [
                "/counts/1/id", "/counts/2/free", "/counts/3/free", "/counts/4/free", "/counts/5/counted_datetime",
                "/counts/6/counted_datetime", "/counts/7/id", "/counts/8",
            ], "\(found)")
    }

    @Test("a table's faults name its row")
    func tableFaults() {
        let found = faults { form throws(ReferenceFaults) in
            _ = try form.counts(table: Array("id;free\nk;1\nl;many\nk;2\n".utf8), charset: nil)
        }
        #expect(Set(found.keys) == ["#row=3", "#row=4"], "\(found)")
        let column = faults { form throws(ReferenceFaults) in _ = try form.counts(table: Array("id;colour\nk;1\n".utf8), charset: nil) }
        #expect(column["#cell=1,2"] != nil, "\(column)")
    }

    @Test("1,001 counts, none, or no object are refused")
    func bounds() {
        let many = "{\"counts\":[" + (0...1_000).map { "{\"id\":\"k-\($0)\",\"free\":1}" }.joined(separator: ",") + "]}"
        for text in [many, #"{"counts":[]}"#, "[]", "{}", "", String(repeating: "[", count: 60_000)] {
            #expect(!faults { form throws(ReferenceFaults) in _ = try form.counts(json: Array(text.utf8)) }.isEmpty)
        }
    }
}
