import Foundation
import Testing

@testable import Open311

@Suite("Statistics of use")
struct UsageTests {
    // MARK: Durations

    @Test("a percentile is within the stated error of what was measured, and adding histograms is counting together")
    func percentiles() {
        for seed in 0..<200 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var (one, other, together) = (DurationHistogram(), DurationHistogram(), DurationHistogram())
            var values: [Int64] = []
            for _ in 0..<Int.random(in: 1...300, using: &random) {
                // From a tenth of a millisecond to three years.
                let value = Int64.random(in: 100...Int64(1) << Int.random(in: 7...46, using: &random), using: &random)
                values.append(value)
                let bucket = DurationHistogram.bucket(ofMicroseconds: value)
                together.add(bucket: bucket, 1)
                if Bool.random(using: &random) { one.add(bucket: bucket, 1) } else { other.add(bucket: bucket, 1) }
            }
            values.sort()
            one.add(other)
            #expect(one == together && one.count == Int64(values.count))
            for rank in [0.01, 0.5, 0.9, 0.95, 0.99, 1] {
                let index = max(1, Int((rank * Double(values.count)).rounded(.up))) - 1
                let exact = Double(values[index]) / 1e6
                let told = one.percentile(rank) ?? 0
                #expect(abs(told - exact) <= exact * (DurationHistogram.largestError + 1e-9), "seed \(seed), \(rank): \(told) for \(exact)")
            }
        }
        #expect(DurationHistogram().percentile(0.5) == nil)
    }

    // MARK: Periods

    @Test("without words a period is twelve months with the running one; what cannot be is refused by its name")
    func periods() throws {
        let today = try #require(CivilDay("2026-11-26"))
        let usual = try UsagePeriod(from: nil, to: nil, today: today)
        #expect("\(usual.from) \(usual.to)" == "2025-12-01 2026-12-01" && usual.isWholeMonths && usual.months.count == 12)
        #expect("\(usual.yearBefore.from) \(usual.yearBefore.to)" == "2024-12-01 2025-12-01")
        let leap = try UsagePeriod(from: "2024-02-29", to: "2024-03-02", today: today)
        #expect("\(leap.yearBefore.from) \(leap.yearBefore.to)" == "2023-03-01 2023-03-02" && !leap.isWholeMonths)
        for (from, to, name) in [
            ("soon", "2026-01-01", "from"), ("2026-01-01", "2026-13-01", "to"), ("2026-01-02", "2026-01-02", "from"),
            ("1990-01-01", "2026-01-01", "from"),
        ] {
            #expect { try UsagePeriod(from: from, to: to, today: today) } throws: { ($0 as? InvalidValue)?.name == name }
        }
    }

    // MARK: What anybody may see

    @Test(
        "a period that goes on is compared with the year before up to the same day; one that is over, as a whole; in public, by months only"
    )
    func comparison() throws {
        let today = try #require(CivilDay("2026-06-11"))
        let period = try UsagePeriod(from: "2026-01-01", to: "2027-01-01", today: today)
        var (now, before) = (UsageFigures(), UsageFigures())
        for day in 0..<365 {
            before.add(2, .requests, on: period.yearBefore.from.adding(day))
            before.add(total: 2, .requests)
        }
        // 161 days until 11 June, and 5 requests of that day.
        for day in 0..<162 {
            now.add(day == 161 ? 5 : 3, .requests, on: period.from.adding(day))
            now.add(total: day == 161 ? 5 : 3, .requests)
        }
        func report(countedTo: Timestamp) throws -> UsageReport {
            UsageReport(
                tenant: try TenantKey(validating: "valmont-7f3a9c"), city: "Valmont", timeZone: "Europe/Paris", language: .english,
                period: period,
                countedTo: countedTo, current: now, before: before, serviceNames: [:], keyLabels: [:])
        }
        let during = try #require(Timestamp(parsing: "2026-06-11T10:00:00Z"))
        let running = try report(countedTo: during)
        let found = try #require(running.comparison(.requests))
        #expect(found == (483, 322, false))
        #expect(UsagePage.html(running).contains("(322 by the same day)") && UsageSummary.text(running).contains("Requests before today"))
        #expect(running.forPublic(other: "x").comparison(.requests) == nil)
        #expect(!UsagePage.html(running).contains("without a key"))
        now.add(7, .calls, .key, "Ab12Cd34")
        now.add(total: 19, .calls)
        #expect(UsagePage.html(try report(countedTo: during)).contains("without a key</td><td>12</td>"))
        let after = try #require(Timestamp(parsing: "2027-01-02T00:00:00Z"))
        let over = try #require(report(countedTo: after).comparison(.requests))
        #expect(over == (488, 730, true))
    }

    @Test("no group that is shown to anybody has fewer than five, and no difference tells of one that has")
    func smallGroups() {
        for seed in 0..<500 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            let counts = Dictionary(
                uniqueKeysWithValues: (0..<Int.random(in: 0...9, using: &random)).map {
                    ("s\($0)", Int64.random(in: 0...14, using: &random))
                })
            let shown = UsageFigures.gathered(counts)
            let total = counts.values.reduce(0, +)
            let hidden = total - shown.values.reduce(0, +)
            #expect(shown.values.allSatisfy { $0 >= UsageFigures.smallestPublic }, "seed \(seed)")
            // All of it is shown, unless there are not five in all.
            #expect(hidden == 0 || shown.isEmpty && total < UsageFigures.smallestPublic, "seed \(seed): \(counts) as \(shown)")
            let others = counts.filter { shown[$0.key] == nil && $0.value > 0 }
            #expect(others.isEmpty || shown[UsageFigures.others] == others.values.reduce(0, +) || shown.isEmpty, "seed \(seed)")
        }
    }

    private func report(requests: Int64, withPhoto: Int64, name: String = "Éclairage") throws -> UsageReport {
        var figures = UsageFigures()
        figures.add(total: requests, .requests)
        figures.add(total: withPhoto, .withPhoto)
        figures.add(requests, .requests, .service, "LAMP")
        figures.add(7, .calls, .key, "k1")
        figures.add(total: 7, .calls)
        figures.add(3, .closing, service: "LAMP", bucket: 200)
        let day = try #require(CivilDay("2026-03-05"))
        figures.add(requests, .requests, on: day)
        return UsageReport(
            tenant: try TenantKey(validating: "valmont-3f9a1c"), city: name, timeZone: "Europe/Paris", language: .french,
            period: try UsagePeriod(from: "2026-01-01", to: "2027-01-01", today: day), countedTo: Timestamp(seconds: 1_790_000_000),
            current: figures, before: UsageFigures(), serviceNames: ["LAMP": name], keyLabels: ["k1": "App"])
    }

    @Test("the public report leaves out calls and keys, and shows photos only when with and without are enough")
    func publicReport() throws {
        for (requests, withPhoto, isShown) in [(20, 8, true), (20, 3, false), (20, 17, false), (20, 20, true), (20, 0, true)]
            as [(Int64, Int64, Bool)]
        {
            let shown = try report(requests: requests, withPhoto: withPhoto).forPublic(other: "Autres").current
            #expect((shown.totals[.withPhoto] != nil) == isShown, "\(withPhoto) of \(requests)")
            #expect(shown.by(.key, .calls).isEmpty && shown[.calls] == 0 && shown[.closing] == 0)
        }
        #expect(try report(requests: 4, withPhoto: 0).forPublic(other: "Autres").current.totals.isEmpty)
    }

    @Test("JSON for anybody has no member for what is withheld: a zero in it is a zero")
    func publicJSON() throws {
        func figures(_ withPhoto: Int64) throws -> [String: Any] {
            let bytes = try report(requests: 20, withPhoto: withPhoto).forPublic(other: "Autres").json
            let object = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
            return try #require(object["figures"] as? [String: Any])
        }
        for (withPhoto, told) in [(3, nil), (0, 0), (8, 8)] as [(Int64, Int?)] {
            let shown = try figures(withPhoto)
            let totals = try #require(shown["totals"] as? [String: Int])
            #expect(totals["requests"] == 20 && totals["with_photo"] == told && totals["calls"] == nil && totals["updates"] == nil)
            for name in ["keys", "crm", "by_calls_operation", "by_refusals"] { #expect(shown[name] == nil, "\(name)") }
            for service in try #require(shown["services"] as? [[String: Any]]) {
                #expect(Set(service.keys).isSubset(of: ["service_code", "service_name", "requests"]), "\(service)")
            }
        }
    }

    // MARK: Forms

    @Test("CSV never begins a text with what a spreadsheet takes for a formula")
    func formulas() throws {
        let tenant = try TenantKey(validating: "valmont-3f9a1c")
        for text in ["=1+1", "+1", "-1", "@A1", "\t=1", "＝1", "a\"b", "a,b"] {
            let line = UsageLine(starts: "2026-11", measure: .calls, service: "", channel: text, key: "", detail: text, value: 3)
            let csv = String(decoding: UsageTable.csv(line, tenant: tenant, names: [:], labels: [:]), as: UTF8.self)
            #expect(
                !csv.contains("\"=") && !csv.contains("\"+") && !csv.contains("\"-") && !csv.contains("\"@") && !csv.contains("\"\t")
                    && !csv.contains("\"＝"))
            #expect(csv.hasSuffix(",3\r\n") && csv.contains(text.replacing("\"", with: "\"\"")))
        }
    }

    @Test("the buckets of a duration become its count and percentiles, and microseconds of presence seconds")
    func durationLines() {
        func line(_ measure: UsageMeasure, _ detail: String, _ value: Double, _ service: String = "") -> UsageLine {
            UsageLine(starts: "2026-11", measure: measure, service: service, channel: "", key: "", detail: detail, value: value)
        }
        let lines = UsageTable.lines([
            line(.closing, "200", 2, "A"), line(.closing, "210", 2, "A"), line(.closing, "50", 1, "B"), line(.consuming, "", 2_500_000),
            line(.requests, "", 4, "A"),
        ])
        #expect(lines.map(\.detail) == ["count", "p50", "p90", "p95", "p99", "count", "p50", "p90", "p95", "p99", "", ""])
        #expect(lines[0].value == 4 && lines[5].value == 1 && lines[10].value == 2.5 && lines[11].value == 4)
        #expect(lines[1].value < lines[2].value)
    }

    @Test("nothing that stands in a name becomes HTML")
    func hostileNames() throws {
        let page = UsagePage.html(try report(requests: 9, withPhoto: 2, name: "<script>alert(1)</script>\"'&"))
        #expect(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"))
        #expect(!page.contains("http"))
    }

    @Test("numbers, shares and durations as people write them")
    func words() {
        let (french, english) = (UsageWords(.french), UsageWords(.english))
        #expect(french.number(1_234_567) == "1\u{202F}234\u{202F}567" && english.number(-1_234) == "−1,234" && english.number(12) == "12")
        #expect(french.percent(0.9996) == "99,9\u{202F}%" && english.percent(1) == "100%" && english.percent(0.055) == "5.5%")
        #expect(
            french.duration(0.0123) == "12,3\u{202F}ms" && french.duration(90) == "1,5\u{202F}min"
                && english.duration(86_400 * 12) == "12\u{202F}d")
        #expect(french.bytes(1_234_567) == "1,2\u{202F}Mo" && english.bytes(999) == "999\u{202F}B")
        #expect(SVGDrawing.step(for: 1) == 1 && SVGDrawing.step(for: 26) == 10 && SVGDrawing.step(for: 1_000) == 200)
    }
}
