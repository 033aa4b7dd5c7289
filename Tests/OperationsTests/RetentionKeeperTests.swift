import Open311
import Testing

@testable import Operations

@Suite("When retention runs by itself")
struct RetentionKeeperTests {
    private func moment(_ text: String) throws -> Timestamp { try #require(Timestamp(parsing: text)) }

    @Test("once a day after its hour; at once when it was cut off or a day was missed")
    func onceADay() throws {
        let last = try moment("2026-11-25T02:03:00Z")
        for (now, isOver, isDue) in [
            ("2026-11-25T23:59:00Z", true, false), ("2026-11-26T01:59:00Z", true, false), ("2026-11-26T02:00:00Z", true, true),
            ("2026-11-27T00:10:00Z", true, true), ("2026-11-25T02:08:00Z", false, true), ("2026-11-24T02:00:00Z", true, false),
        ] {
            #expect(RetentionKeeper.isDue(at: try moment(now), last: last, isOver: isOver, hour: 2) == isDue, "\(now)")
        }
    }

    @Test("the sheet says each city's own terms and every table, in both languages")
    func sheet() throws {
        for language in PersonalDataSheet.Language.allCases {
            let text = PersonalDataSheet(cities: [], takesPhotos: false, language: language).text
            for table in ["reporters", "outbox", "audit", "photos"] { #expect(text.contains("| `\(table)` |")) }
            #expect(text.contains("13") && !text.contains("métadonnées") && !text.contains("metadata"))
        }
    }
}
