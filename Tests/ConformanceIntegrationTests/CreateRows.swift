import Open311
import Testing

@Suite("Create: success")
struct CreateRows {
    private static let place = [("lat", "48.85"), ("long", "2.35")]
    private static let bin = [("service_code", "BIN"), ("description", "x")]
    private static let pot = [("service_code", "POT"), ("description", "x")] + place

    /// Posts to A and requires success.
    ///
    /// - Returns: the new request's id.
    private func create(_ gateway: GatewayUnderTest, _ fields: [(String, String)], sourceLocation: SourceLocation = #_sourceLocation)
        async throws -> String
    {
        try id(of: try await gateway.postToA(fields), sourceLocation: sourceLocation)
    }

    private func id(of answer: Answer, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        try #require(answer.status == 200, "\(answer.status): \(answer.text)", sourceLocation: sourceLocation)
        let items = try answer.items()
        try #require(items.count == 1, sourceLocation: sourceLocation)
        return try #require(items[0]["service_request_id"]?.string, "\(answer.text)", sourceLocation: sourceLocation)
    }

    private func read(_ gateway: GatewayUnderTest, _ id: String) async throws -> JSON {
        try await gateway.get("requests/\(id).json?jurisdiction_id=a.example").item()
    }

    private func answers(_ gateway: GatewayUnderTest, _ id: String) async throws -> [Answer.Stored] {
        try await gateway.storedAnswers(of: id)
    }

    @Test("P01") func p01() async throws {
        try await row("P01", "a form to `.json`: 200, an array of one with a `service_request_id` and no `token`") { gateway in
            let answer = try await gateway.postToA(Self.bin + Self.place)
            try #require(try !id(of: answer).isEmpty && (try answer.item())["token"] == nil)
        }
    }

    @Test("P02") func p02() async throws {
        try await row("P02", "a form to `.xml`: 200, `service_requests/request/service_request_id`, no `token`") { gateway in
            let answer = try await gateway.postToA(Self.bin + Self.place, format: "xml")
            try #require(answer.status == 200 && answer.contentType == "text/xml; charset=utf-8")
            let root = try answer.xml()
            try #require(root.name == "service_requests" && root.children.map(\.name) == ["request"])
            try #require(root["request"]?["service_request_id"]?.text.isEmpty == false && root["request"]?["token"] == nil)
        }
    }

    @Test("P03") func p03() async throws {
        try await row("P03", "what was posted is read back at once, open, with its position as numbers") { gateway in
            let request = try await read(gateway, try await create(gateway, Self.bin + Self.place))
            try #require(request["status"]?.string == "open" && request["service_code"]?.string == "BIN")
            try #require(request["service_name"]?.string?.isEmpty == false && request["description"]?.string == "x")
            try #require(request["lat"]?.number == 48.85 && request["long"]?.number == 2.35)
            let moment = try #require(request["requested_datetime"]?.string.flatMap { Timestamp(parsing: $0) })
            try #require(request["updated_datetime"] == request["requested_datetime"])
            try #require(abs(moment.seconds - Timestamp.now.seconds) < 30)
        }
    }

    @Test("P04") func p04() async throws {
        try await row("P04", "only `address_string`: created; `address` says it, `lat` and `long` are null") { gateway in
            let request = try await read(gateway, try await create(gateway, Self.bin + [("address_string", "1 rue du Pont")]))
            try #require(request["address"]?.string == "1 rue du Pont" && request["lat"] == .null && request["long"] == .null)
        }
    }

    @Test("P05") func p05() async throws {
        try await row("P05", "only `address_id`: created and shown") { gateway in
            let request = try await read(gateway, try await create(gateway, Self.bin + [("address_id", "12345")]))
            try #require(request["address_id"]?.string == "12345")
        }
    }

    @Test("P06") func p06() async throws {
        try await row("P06", "position, address and address id: all come back") { gateway in
            let fields = Self.bin + Self.place + [("address_string", "1 rue du Pont"), ("address_id", "12345")]
            let request = try await read(gateway, try await create(gateway, fields))
            try #require(request["address"]?.string == "1 rue du Pont" && request["address_id"]?.string == "12345")
            try #require(request["lat"]?.number == 48.85 && request["long"]?.number == 2.35)
        }
    }

    @Test("P07") func p07() async throws {
        try await row("P07", "everything about the reporter: stored, and in no answer of either format") { gateway in
            let person = [
                ("email", "canary@mail.example"), ("phone", "0400000311"), ("first_name", "Canarycelle"), ("last_name", "Canarybelle"),
                ("device_id", "canary-device"), ("account_id", "canary-account"),
            ]
            let id = try await create(gateway, Self.bin + Self.place + person)
            for format in ["json", "xml"] {
                for path in ["requests/\(id).\(format)?jurisdiction_id=a.example", "requests.\(format)?jurisdiction_id=a.example"] {
                    let text = try await gateway.get(path).text.lowercased()
                    try #require(!text.contains("canary") && !text.contains("0400000311"))
                }
            }
        }
    }

    @Test("P08") func p08() async throws {
        try await row("P08", "`account_id` is echoed in the reply") { gateway in
            let answer = try await gateway.postToA(Self.bin + Self.place + [("account_id", "u-1")])
            try #require(try answer.item()["account_id"]?.string == "u-1")
        }
    }

    @Test("P09") func p09() async throws {
        try await row("P09", "line breaks, accents, emoji, markup: the same text back, escaped in XML") { gateway in
            let text = "Ligne 1\r\nÉtage 2 \u{1F6AE} <b>gras</b> & \"fin\""
            let id = try await create(gateway, [("service_code", "BIN"), ("description", text)] + Self.place)
            try #require(try await read(gateway, id)["description"]?.string == text)
            let xml = try await gateway.get("requests/\(id).xml?jurisdiction_id=a.example")
            try #require(try xml.xml()["request"]?["description"]?.text == text && xml.text.contains("&lt;b&gt;gras"))
        }
    }

    @Test("P10") func p10() async throws {
        try await row("P10", "a description of 4,000 characters of several bytes: created") { gateway in
            let text = String(repeating: "é", count: 4_000)
            let id = try await create(gateway, [("service_code", "BIN"), ("description", text)] + Self.place)
            try #require(try await read(gateway, id)["description"]?.string == text)
        }
    }

    /// Posts bytes as they stand, after A's jurisdiction and key.
    private func raw(_ gateway: GatewayUnderTest, _ form: String, type: String = "application/x-www-form-urlencoded") async throws -> Answer
    {
        let start = "jurisdiction_id=a.example&api_key=\(gateway.cityA.key)&"
        return try await gateway.send("POST", "requests.json", headers: ["Content-Type": type], body: Array((start + form).utf8))
    }

    @Test("P11") func p11() async throws {
        try await row("P11", "`+` and `%20` are both a space") { gateway in
            let id = try id(of: try await raw(gateway, "service_code=BIN&lat=1&long=2&description=un+deux%20trois%2B"))
            try #require(try await read(gateway, id)["description"]?.string == "un deux trois+")
        }
    }

    @Test("P12") func p12() async throws {
        try await row("P12", "a content type without charset, UTF-8 inside: the text intact") { gateway in
            let id = try id(of: try await raw(gateway, "service_code=BIN&lat=1&long=2&description=été"))
            try #require(try await read(gateway, id)["description"]?.string == "été")
        }
    }

    @Test("P13") func p13() async throws {
        try await row("P13", "jurisdiction and key in the query, the rest in the body: created") { gateway in
            let query = GatewayUnderTest.form([("jurisdiction_id", "a.example"), ("api_key", gateway.cityA.key)])
            _ = try id(of: try await gateway.post("requests.json?\(query)", Self.bin + Self.place))
        }
    }

    @Test("P14") func p14() async throws {
        try await row("P14", "a wrong key in the query, the right one in the body: the body wins") { gateway in
            let fields = Self.bin + Self.place + [("jurisdiction_id", "a.example"), ("api_key", gateway.cityA.key)]
            _ = try id(of: try await gateway.post("requests.json?api_key=wrong", fields))
        }
    }

    @Test("P15") func p15() async throws {
        try await row("P15", "multipart with text parts: created") { gateway in
            let fields = Self.bin + Self.place + [("jurisdiction_id", "a.example"), ("api_key", gateway.cityA.key)]
            let parts = fields.map { "--mark\r\nContent-Disposition: form-data; name=\"\($0.0)\"\r\n\r\n\($0.1)\r\n" }.joined()
            let answer = try await gateway.send(
                "POST",
                "requests.json",
                headers: ["Content-Type": "multipart/form-data; boundary=mark"],
                body: Array((parts + "--mark--\r\n").utf8)
            )
            _ = try id(of: answer)
        }
    }

    @Test("P17") func p17() async throws {
        try await row("P17", "a `media_url`: shown unchanged") { gateway in
            let id = try await create(gateway, Self.bin + Self.place + [("media_url", "https://img.example/a.jpg?b=1&c=2")])
            try #require(try await read(gateway, id)["media_url"]?.string == "https://img.example/a.jpg?b=1&c=2")
        }
    }

    @Test("P19") func p19() async throws {
        try await row("P19", "an answered question: created") { gateway in
            let id = try await create(gateway, Self.pot + [("attribute[depth]", "12")])
            try #require(try await answers(gateway, id).contains(Answer.Stored(code: "depth", values: ["12"])))
        }
    }

    @Test("P20") func p20() async throws {
        try await row("P20", "percent-encoded brackets: the same") { gateway in
            let id = try id(of: try await raw(gateway, "service_code=POT&lat=1&long=2&description=x&attribute%5Bdepth%5D=12"))
            try #require(try await answers(gateway, id).contains(Answer.Stored(code: "depth", values: ["12"])))
        }
    }

    private func severalValues(_ gateway: GatewayUnderTest, _ first: String, _ second: String) async throws {
        let id = try await create(gateway, Self.pot + [("attribute[depth]", "1"), (first, "a"), (second, "b")])
        try #require(try await answers(gateway, id).contains(Answer.Stored(code: "tags", values: ["a", "b"])))
    }

    @Test("P21") func p21() async throws {
        try await row("P21", "`attribute[tags][]` twice: both values") {
            try await severalValues($0, "attribute[tags][]", "attribute[tags][]")
        }
    }

    @Test("P22") func p22() async throws {
        try await row("P22", "`attribute[tags]` twice: both values") { try await severalValues($0, "attribute[tags]", "attribute[tags]") }
    }

    @Test("P23") func p23() async throws {
        try await row("P23", "`attribute[tags][0]`, `attribute[tags][1]`: both values") {
            try await severalValues($0, "attribute[tags][0]", "attribute[tags][1]")
        }
    }

    @Test("P24") func p24() async throws {
        try await row("P24", "an optional question sent empty: created, nothing kept of it") { gateway in
            let id = try id(of: try await raw(gateway, "service_code=POT&lat=1&long=2&description=x&attribute[depth]=1&attribute[shape]="))
            try #require(try await answers(gateway, id).map(\.code) == ["depth"])
        }
    }

    @Test("P25") func p25() async throws {
        try await row("P25", "an undeclared attribute and an unknown parameter: created") { gateway in
            let id = try await create(gateway, Self.bin + Self.place + [("attribute[easting]", "1"), ("deviceid", "web")])
            try #require(try await answers(gateway, id).map(\.code) == ["easting"])
        }
    }

    @Test("P26") func p26() async throws {
        try await row("P26", "a datetime with `+0100`, as Android sends it: created") { gateway in
            _ = try await create(gateway, Self.pot + [("attribute[depth]", "1"), ("attribute[seen_at]", "2026-03-01T10:00:00+0100")])
        }
    }

    @Test("P28") func p28() async throws {
        try await row("P28", "a blackbox service: 200 with neither id nor token") { gateway in
            let answer = try await gateway.postToA([("service_code", "BBX"), ("description", "x")] + Self.place)
            let item = try answer.item()
            try #require(answer.status == 200 && item["service_request_id"] == nil && item["token"] == nil)
        }
    }

    @Test("P29") func p29() async throws {
        try await row("P29", "a city's own base without jurisdiction: created") { gateway in
            let fields = Self.bin + Self.place + [("api_key", gateway.cityA.key)]
            _ = try id(of: try await gateway.post("\(gateway.cityA.base)/requests.json", fields))
        }
    }

    @Test("P30") func p30() async throws {
        try await row("P30", "the same twice without a client reference: two ids; with one: the first again") { gateway in
            let (one, two) = (try await create(gateway, Self.bin + Self.place), try await create(gateway, Self.bin + Self.place))
            try #require(one != two)
            let named = Self.bin + Self.place + [("client_request_id", "p30")]
            let (first, again) = (try await create(gateway, named), try await create(gateway, named))
            try #require(first == again)
            let other = [("service_code", "BIN"), ("description", "other"), ("client_request_id", "p30")] + Self.place
            try (try await gateway.postToA(other)).requireRefusal(409)
        }
    }
}
