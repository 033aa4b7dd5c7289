import Open311
import TestSupport
import Testing

@Suite("Catalogue")
struct CatalogueRows {
    @Test("S01") func s01() async throws {
        try await row("S01", "services.xml: 200, `text/xml; charset=utf-8`, `services` of `service`") { gateway in
            let answer = try await gateway.get("services.xml?jurisdiction_id=a.example")
            try #require(answer.status == 200 && answer.contentType == "text/xml; charset=utf-8")
            let root = try answer.xml()
            try #require(root.name == "services" && !root.children.isEmpty && root.children.allSatisfy { $0.name == "service" })
        }
    }

    @Test("S02") func s02() async throws {
        try await row("S02", "services.json: 200, `application/json; charset=utf-8`, an array of the active services") { gateway in
            let answer = try await gateway.get("services.json?jurisdiction_id=a.example")
            try #require(answer.status == 200 && answer.contentType == "application/json; charset=utf-8")
            try #require(try answer.items().count == ConformanceFixture.services().count)
        }
    }

    @Test("S03") func s03() async throws {
        try await row("S03", "codes are strings, `metadata` a boolean, `type` one of three, `group` never null") { gateway in
            for service in try await gateway.get("services.json?jurisdiction_id=a.example").items() {
                try #require(service["service_code"]?.string?.isEmpty == false && service["service_name"]?.string?.isEmpty == false)
                try #require(service["metadata"]?.bool != nil && service["group"]?.string?.isEmpty == false)
                try #require(["realtime", "batch", "blackbox"].contains(service["type"]?.string ?? ""))
                try #require(service["description"]?.isTextOrNull == true && service["keywords"]?.isTextOrNull == true)
            }
        }
    }

    @Test("S04") func s04() async throws {
        try await row("S04", "XML in the specification's order; `true` or `false`; no attributes, no namespace") { gateway in
            let root = try await gateway.get("services.xml?jurisdiction_id=a.example").xml()
            try #require(root.isBare)
            let order = ["service_code", "service_name", "description", "metadata", "type", "keywords", "group"]
            for service in root.children {
                try #require(service.children.map(\.name) == order && ["true", "false"].contains(service["metadata"]?.text ?? ""))
            }
        }
    }

    @Test("S05") func s05() async throws {
        try await row("S05", "XML and JSON: same services, order and values") { gateway in
            let json = try await gateway.get("services.json?jurisdiction_id=a.example").json()
            try #require(try await gateway.get("services.xml?jurisdiction_id=a.example").xml().says(json))
        }
    }

    @Test("S06") func s06() async throws {
        try await row("S06", "no jurisdiction on the shared base: 400 that names `jurisdiction_id`") { gateway in
            try (try await gateway.get("services.json")).requireRefusal(400, naming: "jurisdiction_id")
        }
    }

    @Test("S07") func s07() async throws {
        try await row("S07", "an empty jurisdiction is a missing one") { gateway in
            let (empty, missing) = (try await gateway.get("services.json?jurisdiction_id="), try await gateway.get("services.json"))
            try #require(empty.status == 400 && empty.body == missing.body)
        }
    }

    @Test("S08") func s08() async throws {
        try await row("S08", "unknown jurisdiction: 404, `errors/error` with code 404") { gateway in
            let answer = try await gateway.get("services.xml?jurisdiction_id=nowhere.example")
            try answer.requireRefusal(404, naming: "jurisdiction_id")
            try #require(try answer.xml().name == "errors")
        }
    }

    @Test("S09") func s09() async throws {
        try await row("S09", "another jurisdiction: its services and no others") { gateway in
            let codes = try await gateway.get("services.json?jurisdiction_id=b.example").items().compactMap { $0["service_code"]?.string }
            try #require(codes == ["CITY-B"])
        }
    }

    @Test("S10") func s10() async throws {
        try await row("S10", "a city's own base needs no jurisdiction") { gateway in
            let own = try await gateway.get("\(gateway.cityA.base)/services.json")
            let shared = try await gateway.get("services.json?jurisdiction_id=a.example")
            try #require(own.status == 200 && own.body == shared.body)
            try #require(try await gateway.get("services.json?jurisdiction_id=A.Example").body == own.body)
        }
    }

    @Test("S11") func s11() async throws {
        try await row("S11", "a city's own base with another's jurisdiction: 404") { gateway in
            try (try await gateway.get("\(gateway.cityA.base)/services.json?jurisdiction_id=b.example")).requireRefusal(404)
        }
    }

    @Test("S12") func s12() async throws {
        try await row("S12", "a double slash is one") { gateway in
            let doubled = try await gateway.get("\(gateway.base)//services.json?jurisdiction_id=a.example")
            let single = try await gateway.get("services.json?jurisdiction_id=a.example")
            try #require(doubled.status == 200 && doubled.body == single.body)
        }
    }

    @Test("S13") func s13() async throws {
        try await row("S13", "a wrong key on GET is ignored") { gateway in
            try #require(try await gateway.get("services.json?jurisdiction_id=a.example&api_key=wrong").status == 200)
        }
    }

    @Test("S14") func s14() async throws {
        try await row("S14", "a city without services: `[]`, and `services` without children") { gateway in
            let city = try await gateway.city("s14", services: [])
            let answer = try await gateway.get("\(city.base)/services.json")
            try #require(answer.status == 200 && answer.text == "[]")
            try #require(try await gateway.get("\(city.base)/services.xml").xml() == (try XMLTree(Array("<services/>".utf8))))
        }
    }

    @Test("S15") func s15() async throws {
        try await row("S15", "one service is an array of one") { gateway in
            try #require(try await gateway.get("\(gateway.cityB.base)/services.json").items().count == 1)
        }
    }

    @Test("S16") func s16() async throws {
        try await row("S16", "a retired service is gone from the list, and its code unknown") { gateway in
            let services = try ConformanceFixture.services()
            let city = try await gateway.city("s16", services: services)
            try await gateway.setCatalogue(services.filter { $0.code.rawValue != "BIN" }, of: city)
            let codes = try await gateway.get("\(city.base)/services.json").items().compactMap { $0["service_code"]?.string }
            try #require(codes.count == services.count - 1 && !codes.contains("BIN"))
            try (try await gateway.get("\(city.base)/services/BIN.json")).requireRefusal(404)
        }
    }

    @Test("S17") func s17() async throws {
        try await row("S17", "a name with é, &, < and a quote is the same text in both formats, in UTF-8") { gateway in
            let name = "Arbre tombé & <gênant> \"danger\""
            let json = try await gateway.get("services.json?jurisdiction_id=a.example").items()
            try #require(json.contains { $0["service_name"]?.string == name })
            let xml = try await gateway.get("services.xml?jurisdiction_id=a.example")
            try #require(try xml.xml().children.contains { $0["service_name"]?.text == name } && xml.text.contains("tombé &amp; &lt;g"))
        }
    }

    @Test("S18") func s18() async throws {
        try await row("S18", "an unknown extension: 404 error document") { gateway in
            try (try await gateway.get("services.csv?jurisdiction_id=a.example")).requireRefusal(404)
        }
    }

    @Test("H08") func h08() async throws {
        try await row("H08", "`If-None-Match` and `If-Modified-Since`: 304; after a change of the catalogue 200") { gateway in
            var services = try ConformanceFixture.services()
            let city = try await gateway.city("h08", services: services)
            for path in ["services.json", "services.xml", "services/POT.json"] {
                let url = "\(city.base)/\(path)"
                let first = try await gateway.get(url)
                let tag = try #require(first.header("ETag")), moment = try #require(first.header("Last-Modified"))
                for known in [tag, "W/\(tag)", "\"other\", \(tag)", "*"] {
                    let again = try await gateway.get(url, headers: ["If-None-Match": known])
                    try #require(again.status == 304 && again.body.isEmpty && again.header("ETag") == tag)
                }
                try #require(try await gateway.get(url, headers: ["If-None-Match": "\"other\""]).status == 200)
                try #require(try await gateway.get(url, headers: ["If-Modified-Since": moment]).status == 304)
                try #require(try await gateway.get(url, headers: ["If-Modified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"]).status == 200)
                try #require(
                    try await gateway.get(url, headers: ["If-None-Match": "\"other\"", "If-Modified-Since": moment]).status == 200
                )
            }
            let old = try #require(try await gateway.get("\(city.base)/services.json").header("ETag"))
            services[0].name = Fixtures.text("Autre nom", "Another name")
            try await gateway.setCatalogue(services, of: city)
            try #require(try await gateway.get("\(city.base)/services.json", headers: ["If-None-Match": old]).status == 200)
        }
    }

    @Test("P-60") func p60() async throws {
        try await row("P-60", "services with `locale=en`, `fr`, `fr_FR`, `xx`: English, French, French, the city's own") { gateway in
            for (locale, name) in [("en", "Pothole"), ("fr", "Nid-de-poule"), ("fr_FR", "Nid-de-poule"), ("xx", "Nid-de-poule")] {
                let answer = try await gateway.get("services.json?jurisdiction_id=a.example&locale=\(locale)")
                try #require(answer.status == 200 && (try answer.item())["service_name"]?.string == name, "\(locale)")
            }
        }
    }

    @Test("Accept-Language counts by its weights where no locale is given, and each text falls back by the city's order")
    func languages() async throws {
        let gateway = try await GatewayUnderTest.shared()
        func name(_ city: GatewayUnderTest.City, _ accept: String, _ query: String = "") async throws -> String? {
            let answer = try await gateway.get("\(city.base)/services.json\(query)", headers: ["Accept-Language": accept])
            return try answer.item()["service_name"]?.string
        }
        #expect(try await name(gateway.cityA, "de, en;q=0.8, fr;q=0.2") == "Pothole")
        #expect(try await name(gateway.cityA, "en;q=0, fr") == "Nid-de-poule")
        #expect(try await name(gateway.cityA, "en", "?locale=fr") == "Nid-de-poule")
        var service = try ConformanceFixture.plain("X")
        service.name = LocalizedText([.english: "Only English", try #require(Language(parsing: "nl-BE")): "Enkel Nederlands"])
        let city = try await gateway.city("languages", services: [service])
        #expect(try await name(city, "nl") == "Enkel Nederlands")
        #expect(try await name(city, "fr") == "Only English")
        let dutch = try await gateway.get("\(city.base)/services.json?locale=nl_NL")
        #expect(dutch.header("Content-Language") == "nl-BE")
    }

    @Test("a catalogue comes compressed to who takes gzip, with a validator of its own, and plain to who does not")
    func compression() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let path = "services.json?jurisdiction_id=a.example"
        let plain = try await gateway.get(path, headers: ["Accept-Encoding": "identity"])
        let packed = try await gateway.get(path, headers: ["Accept-Encoding": "br;q=1, gzip;q=0.5"])
        #expect(plain.header("Content-Encoding") == nil && packed.header("Content-Encoding") == "gzip")
        #expect(packed.body.count < plain.body.count && packed.body.starts(with: [0x1F, 0x8B]))
        #expect(try Gunzip.text(packed.body) == plain.text)
        #expect(plain.header("ETag") != packed.header("ETag"))
        #expect(plain.header("Vary")?.contains("Accept-Encoding") == true)
        let tag = try #require(packed.header("ETag"))
        #expect(try await gateway.get(path, headers: ["Accept-Encoding": "gzip", "If-None-Match": tag]).status == 304)
        #expect(try await gateway.get(path, headers: ["Accept-Encoding": "gzip;q=0"]).header("Content-Encoding") == nil)
    }
}
