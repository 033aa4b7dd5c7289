import Open311
import TestSupport
import Testing

@Suite("Discovery")
struct DiscoveryRows {
    private func both(_ gateway: GatewayUnderTest) async throws -> (json: JSON, xml: XMLTree) {
        let (json, xml) = (try await gateway.get("\(gateway.root)/discovery.json"), try await gateway.get("\(gateway.root)/discovery.xml"))
        try #require(json.status == 200 && xml.status == 200)
        return (try json.json(), try xml.xml())
    }

    private func endpoints(_ document: JSON) throws -> [JSON] { try #require(document["endpoints"]?.array) }

    @Test("D01") func d01() async throws {
        try await row("D01", "discovery.xml: 200, `text/xml; charset=utf-8`, an XML declaration, root `discovery`") { gateway in
            let answer = try await gateway.get("\(gateway.root)/discovery.xml")
            try #require(answer.status == 200 && answer.contentType == "text/xml; charset=utf-8")
            try #require(answer.text.hasPrefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"))
            try #require(try answer.xml().name == "discovery")
        }
    }

    @Test("D02") func d02() async throws {
        try await row("D02", "discovery.json: 200, `application/json; charset=utf-8`, an object without wrapper") { gateway in
            let answer = try await gateway.get("\(gateway.root)/discovery.json")
            try #require(answer.status == 200 && answer.contentType == "application/json; charset=utf-8")
            let document = try answer.json()
            try #require(document["discovery"] == nil && document["endpoints"]?.array != nil)
        }
    }

    @Test("D03") func d03() async throws {
        try await row("D03", "`changeset`, `contact`, `key_service`, `endpoints` are there and not empty") { gateway in
            let (json, xml) = try await both(gateway)
            for member in ["changeset", "contact", "key_service"] {
                try #require(json[member]?.string?.isEmpty == false && xml[member]?.text.isEmpty == false, "\(member)")
            }
            try #require(try endpoints(json).isEmpty == false && xml["endpoints"]?.all("endpoint").isEmpty == false)
        }
    }

    @Test("D04") func d04() async throws {
        try await row("D04", "each endpoint has specification, url, changeset, type and formats") { gateway in
            let (json, xml) = try await both(gateway)
            for endpoint in try endpoints(json) {
                for member in ["specification", "url", "changeset", "type"] { try #require(endpoint[member]?.string?.isEmpty == false) }
                try #require(endpoint["formats"]?.array?.isEmpty == false)
            }
            for endpoint in try #require(xml["endpoints"]).children {
                try #require(endpoint.children.map(\.name) == ["specification", "url", "changeset", "type", "formats"])
            }
        }
    }

    @Test("D05") func d05() async throws {
        try await row("D05", "the specification is named by its exact token") { gateway in
            let tokens = try endpoints(try await both(gateway).json).compactMap { $0["specification"]?.string }
            try #require(tokens.allSatisfy { $0 == "http://wiki.open311.org/GeoReport_v2" } && !tokens.isEmpty)
        }
    }

    @Test("D06") func d06() async throws {
        try await row("D06", "types are `production` and `test`, one of each at least, for each city") { gateway in
            let types = try endpoints(try await both(gateway).json).compactMap { $0["type"]?.string }
            try #require(Set(types) == ["production", "test"])
            let own = try await gateway.get("\(gateway.root)/\(gateway.cityA.tenant.key)/discovery.json").json()
            try #require(try endpoints(own).compactMap { $0["type"]?.string } == ["production", "test"])
            try #require(try endpoints(own).compactMap { $0["url"]?.string } == [gateway.cityA.base, gateway.cityA.testBase])
        }
    }

    @Test("D07") func d07() async throws {
        try await row("D07", "both formats at each endpoint: an array of strings in JSON, `formats/format` in XML") { gateway in
            let (json, xml) = try await both(gateway)
            for endpoint in try endpoints(json) {
                try #require(endpoint["formats"] == .array([.string("text/xml"), .string("application/json")]))
            }
            for endpoint in try #require(xml["endpoints"]).children {
                try #require(endpoint["formats"]?.all("format").map(\.text) == ["text/xml", "application/json"])
            }
        }
    }

    @Test("D08") func d08() async throws {
        try await row("D08", "each changeset is ISO 8601 with a zone, and not to come") { gateway in
            let document = try await both(gateway).json
            for text in [document["changeset"]?.string] + (try endpoints(document).map { $0["changeset"]?.string }) {
                let moment = try #require(text.flatMap { Timestamp(parsing: $0) })
                try #require(moment <= .now && text?.hasSuffix("Z") == true)
            }
        }
    }

    @Test("D09") func d09() async throws {
        try await row("D09", "XML and JSON say the same in the same order") { gateway in
            // Another row may make a city between the two.
            for attempt in 1... {
                let (json, xml) = try await both(gateway)
                if xml.says(json) && xml.isBare { return }
                try #require(attempt < 5, "they differ")
            }
        }
    }

    @Test("D10") func d10() async throws {
        try await row("D10", "each url with `/services.xml` behind it answers with that city's services") { gateway in
            for city in [gateway.cityA, gateway.cityB] {
                let document = try await gateway.get("\(gateway.root)/\(city.tenant.key)/discovery.json").json()
                for endpoint in try endpoints(document) {
                    let url = try #require(endpoint["url"]?.string)
                    let answer = try await gateway.get("\(url)/services.xml")
                    let codes = try answer.xml().children.compactMap { $0["service_code"]?.text }
                    try #require(codes.contains("CITY-B") == (city.jurisdiction == "b.example") && !codes.isEmpty)
                }
            }
        }
    }

    @Test("D11") func d11() async throws {
        try await row("D11", "a changed question moves the changeset on; a posted request does not") { gateway in
            var services = try ConformanceFixture.services()
            let city = try await gateway.city("d11", services: services)
            func changeset() async throws -> String {
                let document = try await gateway.get("\(gateway.root)/\(city.tenant.key)/discovery.json").json()
                return try #require(try endpoints(document).first?["changeset"]?.string)
            }
            let before = try await changeset()
            _ = try await gateway.stored("BIN", in: city, daysAgo: 0)
            try await gateway.setCatalogue(services, of: city)
            try #require(try await changeset() == before)
            // The changeset has whole seconds.
            try await Task.sleep(for: .milliseconds(1_100))
            services[0].attributes[0].question = Fixtures.text("Autre question", "Another question")
            try await gateway.setCatalogue(services, of: city)
            let after = try await changeset()
            try #require(after > before)
        }
    }

    @Test("D12") func d12() async throws {
        try await row("D12", "the document is served under the GeoReport base too") { gateway in
            for attempt in 1... {
                let (root, base) = (try await gateway.get("\(gateway.root)/discovery.json"), try await gateway.get("discovery.json"))
                if root.body == base.body && base.status == 200 { return }
                try #require(attempt < 5, "they differ")
            }
        }
    }

    @Test("the discovery document of a city that does not exist is not another city's")
    func unknownCity() async throws {
        let gateway = try await GatewayUnderTest.shared()
        try (try await gateway.get("\(gateway.root)/nowhere-123456/discovery.json")).requireRefusal(404)
    }
}
