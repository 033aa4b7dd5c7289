import Foundation
import TestSupport
import Testing

/// Runs one row of the conformance list against the gateway that all rows share, and notes how it went. A row ends at its
/// first unmet `#require`.
///
/// - Parameters:
///   - id: as in ``ConformanceRows``.
///   - title: what is asked and what must come, in one line of docs/conformance.md.
///   - refusal: why the gateway does otherwise on purpose; then the row proves what it does instead.
func row(
    _ id: String,
    _ title: String,
    refusedBecause refusal: String? = nil,
    _ body: (GatewayUnderTest) async throws -> Void
) async throws {
    do {
        try await body(try await GatewayUnderTest.shared())
        await ConformanceReport.shared.note(id, title, refusal.map { "refused on purpose: \($0)" } ?? "passed")
    } catch {
        await ConformanceReport.shared.note(id, title, "**failed**")
        throw error
    }
}

/// Every row there is to prove, by chapter.
enum ConformanceRows {
    static let chapters: [(title: String, prefix: String, count: Int)] = [
        ("Discovery", "D", 12), ("Catalogue", "S", 18), ("Service definition", "F", 16), ("Create: success", "P", 30),
        ("Create: refusal", "E", 28), ("Tokens", "T", 7), ("Search", "Q", 36), ("One request", "G", 12), ("HTTP and errors", "H", 12),
        ("Updates (FixMyStreet)", "U", 8), ("Whole clients", "W", 6), ("CitySDK participation", "P-", 66), ("CitySDK tourism", "T-", 50),
        ("CitySDK linked data", "L-", 56),
    ]

    static func ids(_ chapter: (title: String, prefix: String, count: Int)) -> [String] {
        (1...chapter.count).map { chapter.prefix + ($0 < 10 ? "0\($0)" : "\($0)") }
    }
}

/// Gathers the outcomes and writes docs/conformance.md once every row has run in this process.
actor ConformanceReport {
    static let shared = ConformanceReport()

    private var outcomes: [String: (title: String, outcome: String)] = [:]

    func note(_ id: String, _ title: String, _ outcome: String) {
        outcomes[id] = (title, outcome)
        let known = ConformanceRows.chapters.flatMap { ConformanceRows.ids($0) }
        guard known.allSatisfy({ outcomes[$0] != nil }) else { return }
        let file = TestDatabase.repository.appendingPathComponent("docs/conformance.md")
        try? Data(document().utf8).write(to: file)
    }

    private func document() -> String {
        let passed = outcomes.values.filter { $0.outcome == "passed" }.count
        var lines = [
            "# Conformance", "",
            "Written by `Tests/ConformanceIntegrationTests`, which ask a real gateway over HTTP; each row is a test of that name.",
            "Rows are of GeoReport v2 as real clients use it, of FixMyStreet's update extension, of CitySDK participation (`P-…`), tourism (`T-…`) and linked data (`L-…`).",
            "\(outcomes.count) rows: \(passed) passed, \(outcomes.count - passed) otherwise.",
        ]
        for chapter in ConformanceRows.chapters {
            lines += ["", "## \(chapter.title)", "", "| Row | What | Outcome |", "| --- | --- | --- |"]
            for id in ConformanceRows.ids(chapter) {
                guard let row = outcomes[id] else { continue }
                lines.append("| \(id) | \(row.title) | \(row.outcome) |")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
