import Open311
import TestSupport
import Testing

@Suite("One request")
struct OneRequestRows {
    private func row(_ id: String, _ title: String, _ body: (GatewayUnderTest, SearchCity) async throws -> Void) async throws {
        try await ConformanceIntegrationTests.row(id, title) { try await body($0, try await SearchCity.shared()) }
    }

    @Test("G01 G02 G03") func g01() async throws {
        try await row("G01", "XML: `service_requests` with exactly one `request`") { gateway, city in
            let root = try await gateway.get("\(city.city.base)/requests/\(city.r1).xml").xml()
            try #require(root.name == "service_requests" && root.children.map(\.name) == ["request"])
        }
        try await row("G02", "JSON: an array of exactly one") { gateway, city in
            try #require(try await gateway.get("\(city.city.base)/requests/\(city.r1).json").ids() == [city.r1])
        }
        try await row("G03", "the same as in the list") { gateway, city in
            let listed = try await city.get("status=open", gateway).item()
            try #require(try await gateway.get("\(city.city.base)/requests/\(city.r1).json").item() == listed)
        }
    }

    @Test("G04 G05 G06 G07") func g04() async throws {
        try await row("G04", "older than 90 days: found") { gateway, city in
            try #require(try await gateway.get("\(city.city.base)/requests/\(city.r3).json").status == 200)
        }
        try await row("G05", "unknown: 404 error array") { gateway, city in
            try (try await gateway.get("\(city.city.base)/requests/unknown.json")).requireRefusal(404)
        }
        try await row("G06", "another city's: 404, word for word as for an unknown one") { gateway, city in
            let other = try await gateway.get("\(city.city.base)/requests/\(gateway.requests.rb).json")
            try other.requireRefusal(404)
            try #require(other.body == (try await gateway.get("\(city.city.base)/requests/2611999999999.json").body))
        }
        try await row("G07", "jurisdiction missing: 400; unknown: 404") { gateway, city in
            try (try await gateway.get("requests/\(city.r1).json")).requireRefusal(400, naming: "jurisdiction_id")
            try (try await gateway.get("requests/\(city.r1).json?jurisdiction_id=nowhere.example")).requireRefusal(
                404, naming: "jurisdiction_id")
        }
    }

    @Test("G08 G09") func g08() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let city = try await gateway.city("lifecycle", services: try ConformanceFixture.services())
        let id = try await gateway.stored("BIN", in: city, daysAgo: 2)
        func item() async throws -> JSON { try await gateway.get("\(city.base)/requests/\(id).json").item() }
        try await row("G09", "expected date, agency and notice appear once the CRM set them") { _, _ in
            let before = try await item()
            for name in ["expected_datetime", "agency_responsible", "service_notice"] { try #require(before[name]?.isNull == true) }
            let expected = try #require(Timestamp(parsing: "2027-01-01T08:00:00Z"))
            try await gateway.update(id, of: city, nil, daysAgo: 1, agency: "Voirie", expected: expected, notice: "Sous trois jours")
            let after = try await item()
            try #require(after["expected_datetime"]?.string == "2027-01-01T08:00:00Z" && after["agency_responsible"]?.string == "Voirie")
            try #require(after["service_notice"]?.string == "Sous trois jours")
        }
        try await row("G08", "closed: status, note and the closing moment; the requested moment stays") { _, _ in
            let before = try await item()
            let closed = Timestamp.now
            try await gateway.update(id, of: city, "closed", notes: "Fait")
            let after = try await item()
            try #require(after["status"]?.string == "closed" && after["status_notes"]?.string == "Fait")
            try #require(after["requested_datetime"] == before["requested_datetime"])
            let updated = try #require(Timestamp(parsing: after["updated_datetime"]?.string ?? ""))
            try #require(abs(updated.seconds - closed.seconds) <= 2)
        }
    }

    @Test("G10 G11 G12") func g10() async throws {
        try await row("G10", "a list of ids in the path: those found") { gateway, city in
            try #require(try await gateway.get("\(city.city.base)/requests/\(city.r1),\(city.r2).json").ids() == [city.r2, city.r1])
        }
        try await row("G11", "`extended_attributes` with `extensions=true`, and only then") { gateway, city in
            let with = try await gateway.get("\(city.city.base)/requests/\(city.r2).json?extensions=true").item()
            try #require(with["extended_attributes"]?["detailed_status"]?.string == "PROCESSED")
            try #require(with["notes"]?.array?.compactMap { $0["type"]?.string } == ["submitted", "closed"])
            try #require(with["attributes"]?.array != nil)
            try #require(try await gateway.get("\(city.city.base)/requests/\(city.r2).json").item()["extended_attributes"] == nil)
            let xml = try await gateway.get("\(city.city.base)/requests/\(city.r2).xml?extensions=true").xml()
            try #require(xml.says(.array([with])))
        }
        try await row("G12", "ids of any shape are looked for, never a fault") { gateway, city in
            for id in ["A-1_2.3", "a.b", "-"] {
                try (try await gateway.get("\(city.city.base)/requests/\(id).json")).requireRefusal(404)
            }
        }
    }
}
