import Foundation
import Open311
import TestSupport
import Testing

@Suite("Search")
struct SearchRows {
    private static let order = [
        "service_request_id", "status", "status_notes", "service_name", "service_code", "description", "agency_responsible",
        "service_notice",
        "requested_datetime", "updated_datetime", "expected_datetime", "address", "address_id", "zipcode", "lat", "long", "media_url",
    ]

    private func row(_ id: String, _ title: String, _ body: (GatewayUnderTest, SearchCity) async throws -> Void) async throws {
        try await ConformanceIntegrationTests.row(id, title) { try await body($0, try await SearchCity.shared()) }
    }

    @Test("Q01") func q01() async throws {
        try await row("Q01", "requests.xml: 200, `service_requests` of `request`") { gateway, city in
            let answer = try await city.get("", gateway, format: "xml")
            let root = try answer.xml()
            try #require(answer.status == 200 && root.name == "service_requests" && root.isBare)
            try #require(root.children.count == 2 && root.children.allSatisfy { $0.name == "request" })
        }
    }

    @Test("Q02") func q02() async throws {
        try await row("Q02", "requests.json: the last 90 days, nothing older") { gateway, city in
            try #require(try await city.ids("", gateway) == [city.r2, city.r1])
            try #require(try await city.ids("jurisdiction_id=search.example", gateway) == [city.r2, city.r1])
        }
    }

    @Test("Q03") func q03() async throws {
        try await row("Q03", "newest first, ties in a stable order") { gateway, city in
            for _ in 0..<3 { try #require(try await city.ids("", gateway) == [city.r2, city.r1]) }
        }
    }

    @Test("Q04") func q04() async throws {
        try await row("Q04", "JSON: ids are strings, positions numbers, dates have a zone and no fraction") { gateway, city in
            for item in try await city.get("", gateway).items() {
                try #require(Set(item.object?.keys ?? [:].keys) == Set(Self.order))
                try #require(item["service_request_id"]?.string != nil && item["service_code"]?.string != nil)
                try #require(["open", "closed"].contains(item["status"]?.string ?? ""))
                try #require(item["lat"]?.number != nil && item["long"]?.number != nil)
                for name in ["requested_datetime", "updated_datetime"] {
                    let text = try #require(item[name]?.string)
                    try #require(text.count == 20 && text.hasSuffix("Z") && Timestamp(parsing: text) != nil)
                }
                try #require(item["media_url"]?.string?.hasPrefix("https://") == true)
            }
        }
    }

    @Test("Q05") func q05() async throws {
        try await row("Q05", "XML: seventeen elements in canonical order, and what JSON says") { gateway, city in
            let root = try await city.get("", gateway, format: "xml").xml()
            for request in root.children { try #require(request.children.map(\.name) == Self.order) }
            try #require(root.says(try await city.get("", gateway).json()))
        }
    }

    @Test("Q06") func q06() async throws {
        try await row("Q06", "`status`: one, several, with spaces, repeated") { gateway, city in
            try #require(try await city.ids("status=open", gateway) == [city.r1])
            try #require(try await city.ids("status=closed", gateway) == [city.r2])
            for both in ["status=open,closed", "status=open,%20closed", "status=open&status=closed"] {
                try #require(try await city.ids(both, gateway) == [city.r2, city.r1])
            }
        }
    }

    @Test("Q07") func q07() async throws {
        try await row("Q07", "an empty `status` is none") { gateway, city in
            try #require(try await city.ids("status=", gateway).count == 2)
        }
    }

    @Test("Q08") func q08() async throws {
        try await row("Q08", "an unknown `status`: 400 that names it") { gateway, city in
            try (try await city.get("status=solved", gateway)).requireRefusal(400, naming: "status")
        }
    }

    @Test("Q09") func q09() async throws {
        try await row("Q09", "`service_code`: one, several, an unknown one") { gateway, city in
            try #require(try await city.ids("service_code=BIN", gateway) == [city.r1])
            try #require(try await city.ids("service_code=BIN,POT", gateway) == [city.r2, city.r1])
            try #require(try await city.ids("service_code=NOPE", gateway) == [])
        }
    }

    @Test("Q10") func q10() async throws {
        try await row("Q10", "several `service_request_id`, also older than 90 days") { gateway, city in
            try #require(Set(try await city.ids("service_request_id=\(city.r1),\(city.r3)", gateway)) == [city.r1, city.r3])
        }
    }

    @Test("Q11") func q11() async throws {
        try await row("Q11", "ids override every other argument") { gateway, city in
            try #require(try await city.ids("service_request_id=\(city.r2)&status=open", gateway) == [city.r2])
        }
    }

    @Test("Q12") func q12() async throws {
        try await row("Q12", "an unknown id among others is left out") { gateway, city in
            try #require(try await city.ids("service_request_id=\(city.r1),unknown,2611999999999", gateway) == [city.r1])
        }
    }

    @Test("Q13") func q13() async throws {
        try await row("Q13", "only unknown ids: an empty list") { gateway, city in
            try #require(try await city.ids("service_request_id=unknown", gateway) == [])
        }
    }

    @Test("Q14") func q14() async throws {
        try await row("Q14", "another city's id: an empty list, as for an unknown one") { gateway, city in
            let other = try await city.get("service_request_id=\(gateway.requests.rb)", gateway)
            let unknown = try await city.get("service_request_id=2611999999999", gateway)
            try #require(try other.ids() == [] && other.body == unknown.body && other.status == unknown.status)
        }
    }

    @Test("Q15") func q15() async throws {
        try await row("Q15", "`start_date`") { gateway, city in
            try #require(try await city.ids("start_date=\(SearchCity.ago(days: 6))", gateway) == [city.r2])
        }
    }

    @Test("Q16") func q16() async throws {
        try await row("Q16", "`end_date`") { gateway, city in
            try #require(try await city.ids("end_date=\(SearchCity.ago(days: 6))", gateway) == [city.r1])
        }
    }

    @Test("Q17") func q17() async throws {
        try await row("Q17", "both around an old request") { gateway, city in
            let window = "start_date=\(SearchCity.ago(days: 135))&end_date=\(SearchCity.ago(days: 105))"
            try #require(try await city.ids(window, gateway) == [city.r3])
        }
    }

    @Test("Q18") func q18() async throws {
        try await row("Q18", "`start_date` alone: ninety days from it") { gateway, city in
            try #require(try await city.ids("start_date=\(SearchCity.ago(days: 130))", gateway) == [city.r3])
        }
    }

    @Test("Q19 Q20") func q19() async throws {
        try await row("Q19", "`start_date` at the very instant, in another zone: included") { gateway, city in
            let instant = try await Self.instant(of: city, gateway)
            try #require(try await city.ids("start_date=\(instant.ceiling)", gateway).contains(city.r2))
            try #require(try await city.ids("start_date=\(instant.exact)&end_date=\(instant.later)", gateway) == [city.r1])
        }
        try await row("Q20", "`end_date` at the very instant: included") { gateway, city in
            let instant = try await Self.instant(of: city, gateway)
            try #require(try await city.ids("end_date=\(instant.later)", gateway) == [city.r1])
        }
    }

    /// R1's second, written an hour east, and the next.
    private static func instant(
        of city: SearchCity, _ gateway: GatewayUnderTest
    ) async throws -> (exact: String, later: String, ceiling: String) {
        let item = try #require(try await gateway.get("\(city.city.base)/requests/\(city.r1).json").item()["requested_datetime"]?.string)
        let moment = try #require(Timestamp(parsing: item))
        func east(_ moment: Timestamp) -> String { moment.adding(seconds: 3_600).iso8601.dropLast() + "%2B01:00" }
        return (east(moment), east(moment.adding(seconds: 1)), east(moment.adding(seconds: 1)))
    }

    @Test("Q21 Q22 Q23") func q21() async throws {
        try await row("Q21", "a window of exactly 90 days") { gateway, city in
            let window = "start_date=2026-01-01T00:00:00Z&end_date=2026-04-01T00:00:00Z"
            try #require(try await city.get(window, gateway).status == 200)
        }
        try await row("Q22", "a window of 91 days: 400") { gateway, city in
            try (try await city.get("start_date=2026-01-01T00:00:00Z&end_date=2026-04-02T00:00:00Z", gateway)).requireRefusal(
                400, naming: "end_date")
        }
        try await row("Q23", "start after end: 400") { gateway, city in
            try (try await city.get("start_date=2026-02-01&end_date=2026-01-01", gateway)).requireRefusal(400, naming: "start_date")
        }
    }

    @Test("Q24 Q25 Q26") func q24() async throws {
        try await row("Q24", "no date: 400 that names the argument") { gateway, city in
            try (try await city.get("start_date=yesterday", gateway)).requireRefusal(400, naming: "start_date")
        }
        try await row("Q25", "a plus that became a space is read as a plus") { gateway, city in
            let moment = Timestamp.now.adding(days: -6).adding(seconds: 3_600).iso8601.dropLast()
            try #require(try await city.ids("start_date=\(moment)+01:00", gateway) == [city.r2])
        }
        try await row("Q26", "dates alone, without zone, with `+0100`, with a fraction") { gateway, city in
            for text in ["2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00%2B0100", "2026-01-01T00:00:00.123Z"] {
                try #require(try await city.get("start_date=\(text)", gateway).status == 200, "\(text)")
            }
        }
    }

    @Test("Q27 Q28 Q29 Q30") func q27() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let city = try await gateway.city("many", services: try ConformanceFixture.services())
        try await gateway.fixture(
            """
            insert into service_requests (id, tenant_id, service_code, service_name, description, requested_at, updated_at, lat, long,
                                          received_via, language)
            select to_char(now() at time zone 'UTC', 'YYMM')::bigint * 1000000000 + 900000000 + n, \(city.tenant.id.rawValue), 'BIN', 'Bin',
                   'n ' || n, now() - make_interval(mins => n), now() - make_interval(mins => n), 43.6, 3.2, 'app', 'fr'
            from generate_series(1, 1001) as n
            """)
        func list(_ query: String) async throws -> Answer { try await gateway.get("\(city.base)/requests.json?\(query)") }
        func names(_ answer: Answer) throws -> [String] { try answer.items().compactMap { $0["description"]?.string } }
        try await row("Q27", "at most 1,000, the newest") { _, _ in
            let all = try await list("")
            try #require(try names(all) == (1...1_000).map { "n \($0)" })
            let next = try #require(all.header("X-Next-Page-URL"))
            try #require(all.header("Link") == "<\(next)>; rel=\"next\"")
            try #require(try names(try await gateway.get(next)) == ["n 1001"])
        }
        try await row("Q28", "`page_size=10&page=2`: the second ten, with counts in headers") { _, _ in
            let second = try await list("page_size=10&page=2")
            try #require(try names(second) == (11...20).map { "n \($0)" })
            try #require(second.header("X-Result-Count") == "1001" && second.header("X-Page-Count") == "101")
            try #require(second.header("X-Page") == "2" && second.header("X-Page-Size") == "10")
        }
        try await row("Q29", "a page beyond the end is empty") { _, _ in
            let beyond = try await list("page=99")
            try #require(beyond.status == 200 && (try beyond.items()).isEmpty)
        }
        try await row("Q30", "page 0 is page 1; sizes are cut to 1,000; no number is 400") { _, _ in
            try #require(try names(try await list("page=0&page_size=5")) == (try names(try await list("page=1&page_size=5"))))
            try #require(try names(try await list("page_size=5000")).count == 1_000)
            for bad in ["page=x", "page=-1", "page_size=-5", "per_page=1.5", "cursor=1_2", "sort=password"] {
                try (try await list(bad)).requireRefusal(400, naming: String(bad.prefix { $0 != "=" }))
            }
        }
    }

    @Test("Q31 Q32 Q33 Q34") func q31() async throws {
        try await row("Q31", "`updated_after` finds old requests that changed") { gateway, city in
            try #require(try await city.ids("updated_after=\(SearchCity.ago(days: 3).prefix(10))T00:00:00Z", gateway).contains(city.r3))
            try #require(try await city.ids("updated_after=\(SearchCity.ago(days: 2))", gateway) == [])
        }
        try await row("Q32", "nothing matches: an empty list in each format") { gateway, city in
            try #require(try await city.get("service_code=NOPE", gateway).text == "[]")
            let root = try await city.get("service_code=NOPE", gateway, format: "xml").xml()
            try #require(root.name == "service_requests" && root.children.isEmpty)
        }
        try await row("Q33", "jurisdiction missing: 400; unknown: 404") { gateway, _ in
            try (try await gateway.get("requests.json")).requireRefusal(400, naming: "jurisdiction_id")
            try (try await gateway.get("requests.json?jurisdiction_id=nowhere.example")).requireRefusal(404, naming: "jurisdiction_id")
        }
        try await row("Q34", "a wrong key on GET is ignored") { gateway, city in
            try #require(try await city.ids("api_key=wrong", gateway).count == 2)
        }
    }

    @Test("Q35") func q35() async throws {
        try await row("Q35", "no filter shows another city's requests") { gateway, city in
            for query in ["", "status=open", "service_code=CITY-B", "updated_after=2000-01-01", "q=Demande", "bbox=-180,-90,180,90"] {
                try #require(try await !city.ids(query, gateway).contains(gateway.requests.rb))
            }
        }
    }

    @Test("Q36") func q36() async throws {
        try await row("Q36", "a query of 8 KiB with a long list of ids") { gateway, city in
            let ids = (0..<600).map { "26110000\(10_000 + $0)" }.joined(separator: ",")
            try #require(ids.utf8.count > 8_000)
            try #require(try await city.ids("service_request_id=\(ids),\(city.r1)", gateway).contains(city.r1))
        }
    }

    @Test("a list says in GeoJSON what it says in JSON, and a caller who has it is told so")
    func geoJSONAndConditions() async throws {
        let (gateway, city) = (try await GatewayUnderTest.shared(), try await SearchCity.shared())
        let answer = try await city.get("", gateway, format: "geojson")
        #expect(answer.contentType == "application/geo+json")
        let features = try #require(try answer.json()["features"]?.array)
        #expect(features.map { $0["properties"] ?? .null } == (try await city.get("", gateway).items()))
        #expect(features.first?["geometry"]?["coordinates"] == .array([.number(3.2), .number(43.6)]))
        try (try await gateway.get("\(city.city.base)/requests.geojson?status=x")).requireRefusal(400)
        #expect(try await gateway.get("\(city.city.base)/services.geojson").status == 404)
        let list = try await city.get("", gateway)
        let tag = try #require(list.header("ETag"))
        let again = try await gateway.get("\(city.city.base)/requests.json?", headers: ["If-None-Match": "\"x\", \(tag)"])
        #expect(again.status == 304 && again.body.isEmpty && again.header("ETag") == tag)
        let one = try await gateway.get("\(city.city.base)/requests/\(city.r1).json")
        let modified = try #require(one.header("Last-Modified"))
        #expect(try await gateway.get("\(city.city.base)/requests/\(city.r1).json", headers: ["If-Modified-Since": modified]).status == 304)
    }
}
