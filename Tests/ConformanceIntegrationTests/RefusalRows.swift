import Open311
import Testing

@Suite("Create: refusal")
struct RefusalRows {
    private static let valid = [("service_code", "BIN"), ("lat", "43.6"), ("long", "3.2"), ("description", "x")]

    /// The valid form with some fields changed, added, or (empty) to be left out by `postToA`.
    private func form(_ changes: (String, String)...) -> [(String, String)] {
        Self.valid.filter { name, _ in !changes.contains { $0.0 == name } } + changes
    }

    /// Requires the refusal in both formats, and that nothing is stored.
    private func refuse(
        _ gateway: GatewayUnderTest,
        _ status: Int,
        naming word: String = "",
        _ fields: [(String, String)],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        for format in ["json", "xml"] {
            let answer = try await gateway.postToA(fields, format: format)
            try answer.requireRefusal(status, naming: word, sourceLocation: sourceLocation)
        }
        try #require(try await gateway.count(describedAs: "refused") == 0, "a refused request was stored", sourceLocation: sourceLocation)
    }

    @Test("E01") func e01() async throws {
        try await row("E01", "no key: 403, an error document") { gateway in
            try await refuse(gateway, 403, naming: "api_key", form(("description", "refused"), ("api_key", "")))
            let none = try await gateway.post("requests.json", form(("jurisdiction_id", "a.example"), ("description", "refused")))
            try none.requireRefusal(403)
        }
    }

    @Test("E02") func e02() async throws {
        try await row("E02", "an empty key: 403") { gateway in
            let fields = form(("jurisdiction_id", "a.example"), ("description", "refused")) + [("api_key", "")]
            try (try await gateway.post("requests.json", fields)).requireRefusal(403)
        }
    }

    @Test("E03") func e03() async throws {
        try await row("E03", "a wrong key: 403, and the key is not echoed") { gateway in
            let answer = try await gateway.postToA(form(("api_key", "wrong-key-4711"), ("description", "refused")))
            try answer.requireRefusal(403)
            try #require(!answer.text.contains("wrong-key-4711"))
        }
    }

    @Test("E04") func e04() async throws {
        try await row("E04", "a revoked or an expired key: 403") { gateway in
            let revoked = try await gateway.key(of: gateway.cityA)
            try #require(try await gateway.postToA(form(("api_key", revoked.reveal()))).status == 200)
            try await gateway.revoke(revoked, of: gateway.cityA)
            try (try await gateway.postToA(form(("api_key", revoked.reveal()), ("description", "refused")))).requireRefusal(403)
            let expired = try await gateway.key(of: gateway.cityA, expiresAt: Timestamp.now.adding(seconds: -1))
            try (try await gateway.postToA(form(("api_key", expired.reveal()), ("description", "refused")))).requireRefusal(403)
        }
    }

    @Test("E05") func e05() async throws {
        try await row("E05", "another city's key: 403") { gateway in
            try await refuse(gateway, 403, form(("api_key", gateway.cityB.key), ("description", "refused")))
        }
    }

    @Test("E06") func e06() async throws {
        let why = "a key names one city, so a post without `jurisdiction_id` goes to the key's city; without a valid key: 400"
        try await row("E06", "no jurisdiction on the shared base: 400", refusedBecause: why) { gateway in
            let known = try await gateway.postToA(form(("jurisdiction_id", "")))
            try #require(known.status == 200)
            let id = try #require(try known.item()["service_request_id"]?.string)
            try #require(try await gateway.get("\(gateway.cityA.base)/requests/\(id).json").status == 200)
            let unknown = try await gateway.postToA(form(("jurisdiction_id", ""), ("api_key", "wrong"), ("description", "refused")))
            try unknown.requireRefusal(400, naming: "jurisdiction_id")
        }
    }

    @Test("E07") func e07() async throws {
        try await row("E07", "an unknown jurisdiction, even with a valid key: 404") { gateway in
            let fields = form(("jurisdiction_id", "nowhere.example"), ("description", "refused"))
            try await refuse(gateway, 404, naming: "jurisdiction_id", fields)
        }
    }

    @Test("E08") func e08() async throws {
        try await row("E08", "no service_code: 400 that names it") { gateway in
            try await refuse(gateway, 400, naming: "service_code", form(("service_code", ""), ("description", "refused")))
        }
    }

    @Test("E09") func e09() async throws {
        try await row("E09", "an unknown service_code: 404 that names it") { gateway in
            try await refuse(gateway, 404, naming: "service_code", form(("service_code", "NOPE"), ("description", "refused")))
        }
    }

    @Test("E10") func e10() async throws {
        try await row("E10", "another city's service: 404") { gateway in
            try await refuse(gateway, 404, form(("service_code", "CITY-B"), ("description", "refused")))
        }
    }

    @Test("E11") func e11() async throws {
        try await row("E11", "a retired service: 404") { gateway in
            let city = try await gateway.city("e11", services: try ConformanceFixture.services())
            try await gateway.setCatalogue(try ConformanceFixture.servicesOfB(), of: city)
            let fields = form(("api_key", city.key), ("description", "refused"))
            try (try await gateway.post("\(city.base)/requests.json", fields)).requireRefusal(404)
        }
    }

    @Test("E12") func e12() async throws {
        try await row("E12", "no location at all: 400") { gateway in
            try await refuse(gateway, 400, naming: "lat", form(("lat", ""), ("long", ""), ("description", "refused")))
        }
    }

    @Test("E13") func e13() async throws {
        try await row("E13", "`lat` without `long`, no address: 400") { gateway in
            try await refuse(gateway, 400, naming: "long", form(("long", ""), ("description", "refused")))
        }
    }

    @Test("E14") func e14() async throws {
        try await row("E14", "`lat` without `long`, with an address: 400") { gateway in
            let fields = form(("long", ""), ("address_string", "1 rue du Pont"), ("description", "refused"))
            try await refuse(gateway, 400, naming: "long", fields)
        }
    }

    @Test("E15") func e15() async throws {
        try await row("E15", "`lat=91`, `long=-181`, `lat=abc`, `lat=48,85`, `lat=NaN`: 400 each") { gateway in
            for (name, value) in [("lat", "91"), ("long", "-181"), ("lat", "abc"), ("lat", "48,85"), ("lat", "NaN")] {
                try await refuse(gateway, 400, naming: name, form((name, value), ("description", "refused")))
            }
        }
    }

    @Test("E16") func e16() async throws {
        try await row("E16", "a required question without answer: 400, `depth required`, an integer code") { gateway in
            try await refuse(gateway, 400, naming: "depth required", form(("service_code", "POT"), ("description", "refused")))
        }
    }

    @Test("E17") func e17() async throws {
        try await row("E17", "two faults: two errors") { gateway in
            let fields = form(("service_code", "POT"), ("attribute[shape]", "starfish"), ("description", "refused"))
            try #require(try await gateway.postToA(fields).errors().count == 2)
            try #require(try await gateway.postToA(fields, format: "xml").errors().count == 2)
        }
    }

    @Test("E18") func e18() async throws {
        try await row("E18", "a value that is no choice: 400 that names the question") { gateway in
            let answers = [("attribute[depth]", "1"), ("attribute[shape]", "starfish")]
            let fields = form(("service_code", "POT"), ("description", "refused")) + answers
            try await refuse(gateway, 400, naming: "shape", fields)
        }
    }

    @Test("E19") func e19() async throws {
        try await row("E19", "a number that is none: 400 that names the question") { gateway in
            let fields = form(("service_code", "POT"), ("attribute[depth]", "deep"), ("description", "refused"))
            try await refuse(gateway, 400, naming: "depth", fields)
        }
    }

    @Test("E20") func e20() async throws {
        try await row("E20", "two values where one is asked: 400") { gateway in
            let shapes = [("attribute[shape]", "circle"), ("attribute[shape]", "square")]
            let fields = form(("service_code", "POT"), ("attribute[depth]", "1"), ("description", "refused")) + shapes
            try await refuse(gateway, 400, naming: "shape", fields)
        }
    }

    @Test("E21") func e21() async throws {
        try await row("E21", "a description of 4,001 characters: 400") { gateway in
            try await refuse(gateway, 400, naming: "description", form(("description", String(repeating: "é", count: 4_001))))
        }
    }

    @Test("E22") func e22() async throws {
        try await row("E22", "a `media_url` that is a script or relative: 400") { gateway in
            for url in ["javascript:1", "a.jpg", "//img.example/a.jpg"] {
                try await refuse(gateway, 400, naming: "media_url", form(("media_url", url), ("description", "refused")))
            }
        }
    }

    @Test("E23") func e23() async throws {
        try await row("E23", "a body that is not UTF-8: 400") { gateway in
            let body = Array("jurisdiction_id=a.example&api_key=\(gateway.cityA.key)&service_code=BIN&lat=1&long=1&description=%FF%FE".utf8)
            let type = ["Content-Type": "application/x-www-form-urlencoded"]
            try (try await gateway.send("POST", "requests.json", headers: type, body: body)).requireRefusal(400, naming: "UTF-8")
        }
    }

    @Test("E24") func e24() async throws {
        try await row("E24", "`Content-Type: text/plain`: 415") { gateway in
            let answer = try await gateway.send("POST", "requests.json", headers: ["Content-Type": "text/plain"], body: Array("x".utf8))
            try answer.requireRefusal(415)
        }
    }

    @Test("E25") func e25() async throws {
        try await row("E25", "PUT: 405 with `Allow`") { gateway in
            for method in ["PUT", "DELETE", "PATCH"] {
                let answer = try await gateway.send(method, "requests.json", body: [])
                try answer.requireRefusal(405)
                try #require(answer.header("Allow") == "GET, HEAD, POST, OPTIONS")
            }
            try (try await gateway.send("POST", "services.json", body: [])).requireRefusal(405)
        }
    }

    @Test("E26") func e26() async throws {
        try await row("E26", "a body above the limit: 413") { gateway in
            let start = Array("jurisdiction_id=a.example&api_key=\(gateway.cityA.key)&service_code=BIN&address_string=".utf8)
            let type = ["Content-Type": "application/x-www-form-urlencoded"]
            let body = start + [UInt8](repeating: UInt8(ascii: "x"), count: 70_000_000)
            try (try await gateway.send("POST", "requests.json", headers: type, body: body)).requireRefusal(413)
        }
    }

    @Test("E27") func e27() async throws {
        try await row("E27", "no key on `.xml`: the same in `errors`, `text/xml; charset=utf-8`") { gateway in
            let answer = try await gateway.postToA(form(("api_key", ""), ("description", "refused")), format: "xml")
            try answer.requireRefusal(403)
            try #require(answer.contentType == "text/xml; charset=utf-8" && (try answer.xml()).name == "errors")
        }
    }

    @Test("E28") func e28() async throws {
        try await row("E28", "a wrong key and no service_code: 403, the key first") { gateway in
            try await refuse(gateway, 403, form(("api_key", "wrong"), ("service_code", ""), ("description", "refused")))
        }
    }

    @Test("P-59") func p59() async throws {
        try await row("P-59", "POST without a key, and with a bad one: 403 twice") { gateway in
            for key in ["", "bad"] { try await refuse(gateway, 403, form(("api_key", key), ("description", "refused"))) }
        }
    }

    @Test("P-64") func p64() async throws {
        try await row("P-64", "POST to a city's own base with another's jurisdiction: 404") { gateway in
            let fields = form(("jurisdiction_id", "b.example"), ("api_key", gateway.cityA.key), ("description", "refused"))
            try (try await gateway.post("\(gateway.cityA.base)/requests.json", fields)).requireRefusal(404)
        }
    }
}
