import Open311
import Testing

@Suite("HTTP and errors")
struct HTTPRows {
    @Test("H01 every refusal is an error document")
    func h01() async throws {
        try await row("H01", "every refusal: the error document in the path's format, an integer `code`, a `description`") { gateway in
            for format in ["json", "xml"] {
                for (path, status) in [
                    ("services.\(format)", 400), ("services.\(format)?jurisdiction_id=x", 404), ("nothing.\(format)", 404),
                    ("services/NOPE.\(format)?jurisdiction_id=a.example", 404), ("requests/0.\(format)?jurisdiction_id=a.example", 404),
                    ("requests.\(format)?jurisdiction_id=a.example&status=x", 400),
                    ("requests.\(format)?jurisdiction_id=a.example&start_date=x", 400), ("requests.\(format)?a=%zz", 400),
                ] {
                    let answer = try await gateway.get(path)
                    try answer.requireRefusal(status)
                    try #require(answer.contentType.contains(format))
                }
            }
        }
    }

    @Test("H02 errors in JSON are an array")
    func h02() async throws {
        try await row("H02", "JSON errors: an array at the top, even of one") { gateway in
            try #require(try await gateway.get("services.json").items().count == 1)
        }
    }

    @Test("H03 every answer may be read by a page of another origin")
    func h03() async throws {
        try await row("H03", "GET with `Origin`: `Access-Control-Allow-Origin: *`, on errors too") { gateway in
            for (path, status) in [("services.json?jurisdiction_id=a.example", 200), ("services.json", 400), ("foo.json", 404)] {
                let answer = try await gateway.get(path, headers: ["Origin": "https://x.example"])
                try #require(answer.status == status)
                try #require(answer.header("Access-Control-Allow-Origin") == "*")
                try #require(answer.header("Access-Control-Expose-Headers")?.contains("X-Result-Count") == true)
                try #require(answer.header("Access-Control-Allow-Credentials") == nil)
            }
        }
    }

    @Test("H04 a preflight is answered with the methods of the path")
    func h04() async throws {
        try await row("H04", "OPTIONS with preflight headers: 204 with the methods, POST among them, and `Allow`") { gateway in
            let preflight = ["Origin": "https://x.example", "Access-Control-Request-Method": "POST"]
            let posting = try await gateway.send("OPTIONS", "requests.json", headers: preflight)
            try #require(posting.status == 204 && posting.body.isEmpty)
            try #require(posting.header("Access-Control-Allow-Methods")?.contains("POST") == true)
            try #require(posting.header("Allow") == "GET, HEAD, POST, OPTIONS")
            try #require(posting.header("Access-Control-Allow-Headers")?.contains("Content-Type") == true)
            let reading = try await gateway.send("OPTIONS", "services.json", headers: preflight)
            try #require(reading.status == 204 && reading.header("Allow") == "GET, HEAD, OPTIONS")
        }
    }

    @Test("H05 JSONP for pages older than CORS")
    func h05() async throws {
        try await row("H05", "`callback=f` on a GET of `.json`: `application/javascript`, the answer wrapped in `f(…)`") { gateway in
            let plain = try await gateway.get("services.json?jurisdiction_id=a.example")
            let wrapped = try await gateway.get(
                "services.json?jurisdiction_id=a.example&callback=f",
                headers: ["Accept-Encoding": "gzip", "If-None-Match": "*"]
            )
            try #require(wrapped.status == 200 && wrapped.contentType == "application/javascript; charset=utf-8")
            try #require(wrapped.text == "/**/f(\(plain.text));" && wrapped.header("X-Content-Type-Options") == "nosniff")
            let xml = try await gateway.get("services.xml?jurisdiction_id=a.example&callback=f")
            try #require(xml.contentType.hasPrefix("text/xml"))
        }
    }

    @Test("H06 a callback that is no name")
    func h06() async throws {
        try await row("H06", "`callback=alert(1)//`: 400") { gateway in
            for name in ["alert(1)//", "1a", "a b", "a\u{e9}", String(repeating: "a", count: 129)] {
                let answer = try await gateway.get("services.json?jurisdiction_id=a.example&callback=\(GatewayUnderTest.escaped(name))")
                try answer.requireRefusal(400, naming: "callback")
            }
        }
    }

    @Test("H07 HEAD says what GET says, without the body")
    func h07() async throws {
        try await row("H07", "HEAD: status and headers of GET, no body") { gateway in
            for path in [
                "services.json?jurisdiction_id=a.example", "services/POT.xml?jurisdiction_id=a.example", "services.json",
                "requests.json?jurisdiction_id=a.example&service_request_id=\(gateway.requests.r1)",
                "requests/\(gateway.requests.r1).xml?jurisdiction_id=a.example",
                "\(gateway.root)/discovery.json",
            ] {
                let (get, head) = (try await gateway.get(path), try await gateway.send("HEAD", path))
                try #require(head.status == get.status && head.body.isEmpty, "\(path)")
                for name in ["Content-Type", "Content-Length", "ETag", "Cache-Control", "Access-Control-Allow-Origin"] {
                    try #require(head.header(name) == get.header(name), "\(path): \(name)")
                }
            }
        }
    }

    @Test("H09 an unknown path is a GeoReport error")
    func h09() async throws {
        try await row("H09", "unknown path: 404 error document") { gateway in
            try (try await gateway.get("foo.json")).requireRefusal(404)
            try (try await gateway.get("foo/bar/baz.xml")).requireRefusal(404)
        }
    }

    @Test("H10 a path without extension is answered as Accept asks")
    func h10() async throws {
        try await row("H10", "no extension: JSON or XML by `Accept`, 406 when neither is wanted") { gateway in
            let path = "requests?jurisdiction_id=a.example"
            try #require(try await gateway.get(path, headers: ["Accept": "application/json"]).contentType.hasPrefix("application/json"))
            try #require(try await gateway.get(path, headers: ["Accept": "*/*"]).contentType.hasPrefix("text/xml"))
            try (try await gateway.get(path, headers: ["Accept": "image/png"])).requireRefusal(406)
        }
    }

    @Test("H11 the store is down")
    func h11() async throws {
        try await row("H11", "the store cannot be reached: 503 error document with `Retry-After`; the catalogue goes on") { gateway in
            let broken = try await SecondGateway(besides: gateway, hasStore: false)
            let fields = [
                ("jurisdiction_id", "a.example"), ("api_key", gateway.cityA.key), ("service_code", "BIN"), ("lat", "1"), ("long", "2"),
                ("description", "x"),
            ]
            for format in ["json", "xml"] {
                let query = "jurisdiction_id=a.example"
                for answer in [
                    try await gateway.get("\(broken.base)/requests.\(format)?\(query)"),
                    try await gateway.get("\(broken.base)/requests/\(gateway.requests.r1).\(format)?\(query)"),
                    try await gateway.post("\(broken.base)/requests.\(format)", fields),
                ] {
                    try answer.requireRefusal(503)
                    try #require((Int(answer.header("Retry-After") ?? "") ?? 0) >= 1)
                }
            }
            try #require(try await gateway.get("\(broken.base)/services.json?jurisdiction_id=a.example").status == 200)
        }
    }

    @Test("H12 no key in any log")
    func h12() async throws {
        try await row("H12", "a key in the query or the body is in no log, at any level") { gateway in
            let second = try await SecondGateway(besides: gateway, hasStore: true)
            let fields = [("service_code", "BIN"), ("lat", "1"), ("long", "2"), ("description", "x")]
            let query = GatewayUnderTest.form([("jurisdiction_id", "a.example"), ("api_key", gateway.cityA.key)])
            try #require(try await gateway.post("\(second.base)/requests.json?\(query)", fields).status == 200)
            let body = fields + [("jurisdiction_id", "a.example"), ("api_key", gateway.cityA.key)]
            try #require(try await gateway.post("\(second.base)/requests.json", body).status == 200)
            try #require(try await gateway.get("\(second.base)/requests.json?\(query)").status == 200)
            try #require(!second.log.text.isEmpty && !second.log.text.contains(gateway.cityA.key))
        }
    }

    @Test("the description of the API and the page to try it on are served by the gateway alone, under a strict policy")
    func pages() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let description = try await gateway.get("\(gateway.root)/openapi.json")
        #expect(description.status == 200)
        #expect(try description.json()["openapi"]?.string == "3.1.0")
        #expect(description.header("Access-Control-Allow-Origin") == "*")
        let tag = try #require(description.header("ETag"))
        #expect(try await gateway.get("\(gateway.root)/openapi.json", headers: ["If-None-Match": tag]).status == 304)
        let page = try await gateway.get("\(gateway.root)/try")
        #expect(page.status == 200 && page.contentType == "text/html; charset=utf-8")
        #expect(page.header("Content-Security-Policy")?.hasPrefix("default-src 'none'; script-src 'self'; style-src 'self'") == true)
        for (path, type) in [("/try.js", "text/javascript; charset=utf-8"), ("/try.css", "text/css; charset=utf-8")] {
            #expect(try await gateway.get(gateway.root + path).contentType == type)
        }
        #expect(try await gateway.send("POST", "\(gateway.root)/try", body: []).status == 405)
    }

    @Test("a caller's request id comes back when it is harmless, otherwise a new one")
    func requestID() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let kept = try await gateway.get("services.json", headers: ["X-Request-Id": "trace-1/2:3"])
        #expect(kept.header("X-Request-Id") == "trace-1/2:3")
        for bad in ["a b", String(repeating: "x", count: 129), "a\u{e9}", "a\"b"] {
            let answer = try await gateway.get("services.json", headers: ["X-Request-Id": bad])
            #expect(answer.header("X-Request-Id") != bad && answer.header("X-Request-Id")?.isEmpty == false)
        }
    }

    @Test("an address that asks too often is told to wait, and only that address; a valid key has a limit of its own")
    func tooManyRequests() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let path = "services.json?jurisdiction_id=a.example"
        var remaining: [Int] = []
        for _ in 0..<20 {
            let answer = try await gateway.get(path, headers: ["X-Forwarded-For": "192.0.2.1"])
            #expect(answer.status == 200 && answer.header("RateLimit-Limit") == "20")
            remaining.append(Int(answer.header("RateLimit-Remaining") ?? "") ?? -1)
        }
        #expect(remaining.first == 19 && remaining.allSatisfy { (0...19).contains($0) })
        var refused = try await gateway.get(path, headers: ["X-Forwarded-For": "192.0.2.1"])
        // A token may have come back meanwhile on a slow machine: one more request takes it.
        for _ in 0..<20 where refused.status == 200 { refused = try await gateway.get(path, headers: ["X-Forwarded-For": "192.0.2.1"]) }
        try refused.requireRefusal(429)
        #expect((Int(refused.header("Retry-After") ?? "") ?? 0) >= 1)
        #expect(refused.header("Access-Control-Allow-Origin") == "*")
        let post = [("jurisdiction_id", "a.example"), ("api_key", "wrong")]
        try (try await gateway.post("requests.xml", post, headers: ["X-Forwarded-For": "192.0.2.1"])).requireRefusal(429)
        #expect(try await gateway.get(path, headers: ["X-Forwarded-For": "192.0.2.2"]).status == 200)
        let withKey = ["X-Forwarded-For": "192.0.2.1", "X-API-Key": gateway.cityA.key]
        #expect(try await gateway.get(path, headers: withKey).status == 200)
        // Nobody else's word counts: only the last address before the trusted proxy does.
        try (try await gateway.get(path, headers: ["X-Forwarded-For": "203.0.113.9, 192.0.2.1"])).requireRefusal(429)
    }

    @Test("a key opens what its scopes say: reading keys do not post, test keys do not post to production")
    func scopes() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let city = try await gateway.city("scopes", services: try ConformanceFixture.services())
        let fields = [("service_code", "BIN"), ("lat", "43.6"), ("long", "3.2"), ("description", "x")]
        let reading = try await gateway.key(of: city, scopes: [.read]).reveal()
        let testing = try await gateway.key(of: city, scopes: [.test]).reveal()
        try (try await gateway.post("\(city.base)/requests.json", fields + [("api_key", reading)])).requireRefusal(403)
        try (try await gateway.post("\(city.base)/requests.json", fields + [("api_key", testing)])).requireRefusal(403, naming: "test")
        try (try await gateway.post("\(city.testBase)/requests.json", fields + [("api_key", city.key)])).requireRefusal(403, naming: "test")
        let tried = try await gateway.post("\(city.testBase)/requests.json", fields + [("api_key", testing)])
        #expect(tried.status == 200)
        let id = try #require(try tried.item()["service_request_id"]?.string)
        #expect(try await gateway.get("\(city.testBase)/requests/\(id).json").status == 200)
        #expect(try await gateway.get("\(city.testBase)/requests.json").ids() == [id])
        #expect(try await gateway.get("\(city.base)/requests/\(id).json").status == 404)
        #expect(try await gateway.get("\(city.base)/requests.json").ids() == [])
        let shared = "\(gateway.root)/test/open311/v2/requests.json?jurisdiction_id=\(city.jurisdiction)"
        #expect(try await gateway.get(shared).ids() == [id])
    }
}
