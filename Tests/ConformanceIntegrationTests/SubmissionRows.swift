import Foundation
import Open311
import Storage
import TestSupport
import Testing

@Suite("Submissions")
struct SubmissionRows {
    private let bin = [("service_code", "BIN"), ("lat", "43.6"), ("long", "3.2"), ("description", "x")]

    /// The new request's id.
    private func created(_ answer: Answer) throws -> String {
        try #require(answer.status == 200, "\(answer.text)")
        let items = try answer.items()
        try #require(items.count == 1 && items[0]["token"] == nil)
        return try #require(items[0]["service_request_id"]?.string)
    }

    private func item(_ id: String, _ gateway: GatewayUnderTest, _ query: String = "") async throws -> JSON {
        try await gateway.get("\(gateway.cityA.base)/requests/\(id).json\(query)").item()
    }

    @Test("who reported it appears in no answer, but for a key of the city with that right")
    func personalData() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let people = [
            ("email", "canary@mail.example"), ("phone", "canary-0467"), ("first_name", "Canary-Ada"), ("last_name", "Canary-Petit"),
            ("device_id", "canary-device"), ("account_id", "canary-account"), ("organisation", "Canary SARL"), ("siret", "73282932000074"),
        ]
        let id = try created(try await gateway.postToA(bin + people))
        let key = try await gateway.key(of: gateway.cityA, scopes: [.read, .personalData]).reveal()
        let base = gateway.cityA.base
        for path in ["requests/\(id).json", "requests/\(id).xml", "requests.json", "requests.geojson"] {
            for query in ["?page_size=1000", "?extensions=true", "?extensions=true&api_key=\(gateway.cityA.key)"] {
                let text = try await gateway.get("\(base)/\(path)\(query)").text.lowercased()
                try #require(!text.contains("canary") && !text.contains("73282932000074"), "\(path)\(query)")
            }
        }
        let allowed = try await gateway.get("\(base)/requests/\(id).json?extensions=true", headers: ["X-API-Key": key])
        let requester = try #require(try allowed.item()["extended_attributes"]?["requester"])
        try #require(requester["email"]?.string == "canary@mail.example" && requester["siret"]?.string == "73282932000074")
        try #require(allowed.header("Cache-Control") == "private, no-store")
        let other = try await gateway.key(of: gateway.cityB, scopes: [.read, .personalData]).reveal()
        let foreign = try await gateway.get("\(base)/requests/\(id).json?extensions=true", headers: ["X-API-Key": other])
        try #require(!foreign.text.lowercased().contains("canary"))
    }

    @Test("P16") func p16() async throws {
        func multipart(_ parts: [(head: String, body: [UInt8])], _ gateway: GatewayUnderTest) async throws -> Answer {
            var bytes: [UInt8] = []
            let own = [("jurisdiction_id", "a.example"), ("api_key", gateway.cityA.key)] + bin
            for part in own.map({ ("name=\"\($0.0)\"", Array($0.1.utf8)) }) + parts.map({ ($0.head, $0.body) }) {
                bytes += Array("--zz9\r\nContent-Disposition: form-data; \(part.0)\r\n\r\n".utf8) + part.1 + Array("\r\n".utf8)
            }
            bytes += Array("--zz9--\r\n".utf8)
            return try await gateway.send(
                "POST", "requests.json", headers: ["Content-Type": "multipart/form-data; boundary=zz9"], body: bytes)
        }
        try await row("P16", "multipart with a picture: `media_url` answers it, cleaned, as JPEG") { gateway in
            let id = try created(try await multipart([("name=\"address_string \"", Array("2 rue".utf8))], gateway))
            try #require(try await item(id, gateway)["address"]?.string == "2 rue")
            let pictured = try created(try await multipart([("name=\"media\"; filename=\"media.png\"", Picture.png)], gateway))
            let url = try #require(try await item(pictured, gateway)["media_url"]?.string)
            let photo = try await gateway.send("GET", url)
            try #require(photo.status == 200 && photo.contentType == "image/jpeg")
        }
    }

    @Test("P18") func p18() async throws {
        try await row("P18", "two `media_url`: the first, and both in `extended_attributes.media_urls`") { gateway in
            let urls = ["https://img.example/a.jpg", "https://img.example/b.jpg"]
            let id = try created(try await gateway.postToA(bin + urls.map { ("media_url", $0) }))
            let read = try await item(id, gateway, "?extensions=true")
            try #require(read["media_url"]?.string == urls[0])
            try #require(read["extended_attributes"]?["media_urls"] == .array(urls.map { .string($0) }))
        }
    }

    @Test("a city may refuse attributes that its services do not declare")
    func strictCity() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let city = try await gateway.city("strict", services: try ConformanceFixture.services())
        _ = try await gateway.store.setPolicies(TenantPolicies(keepsUndeclaredAttributes: false), of: city.tenant.id)
        try await gateway.directory.load()
        let answer = try await gateway.post("\(city.base)/requests.json", bin + [("api_key", city.key), ("attribute[easting]", "1")])
        try answer.requireRefusal(400, naming: "easting")
    }

    @Test("P27") func p27() async throws {
        try await row("P27", "batch service: a token and no id, in each format") { gateway in
            let json = try await gateway.postToA([("service_code", "BAT"), ("lat", "43.6"), ("long", "3.2")]).item()
            try #require(json["token"]?.string?.isEmpty == false && json["service_request_id"] == nil)
            let xml = try await gateway.postToA([("service_code", "BAT"), ("lat", "43.6"), ("long", "3.2")], format: "xml").xml()
            try #require(xml["request"]?["token"]?.text.isEmpty == false && xml["request"]?["service_request_id"] == nil)
        }
    }

    @Test("what a blackbox service took is never listed nor found")
    func blackbox() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let city = try await gateway.city("blackbox", services: try ConformanceFixture.services())
        let answer = try await gateway.post(
            "\(city.base)/requests.json", [("service_code", "BBX"), ("lat", "43.6"), ("long", "3.2"), ("api_key", city.key)])
        try #require(answer.status == 200)
        try #require(try answer.item()["token"] == nil && answer.item()["service_request_id"] == nil)
        try #require(try await gateway.everyRequest(of: city).count == 1)
        for query in ["", "?service_code=BBX", "?updated_after=2000-01-01", "?extensions=true"] {
            try #require(try await gateway.get("\(city.base)/requests.json\(query)").ids() == [])
        }
    }

    @Test("JSON bodies are forms; what is none is refused in words")
    func jsonBodies() async throws {
        let gateway = try await GatewayUnderTest.shared()
        func send(_ body: String) async throws -> Answer {
            try await gateway.send(
                "POST", "\(gateway.cityA.base)/requests.json",
                headers: ["Content-Type": "application/json", "X-API-Key": gateway.cityA.key],
                body: Array(body.utf8))
        }
        let id = try created(
            try await send(
                "{\"service_code\": \"POT\", \"lat\": 43.6, \"long\": 3.2, \"attribute\": {\"depth\": 12, \"tags\": [\"a\", \"b\"]}, \"email\": null}"
            ))
        let attributes = try await item(id, gateway, "?extensions=true")["attributes"]?.array
        #expect(attributes?.count == 3)
        try (try await send("[1]")).requireRefusal(400, naming: "JSON")
        try (try await send("{\"service_code\": {\"a\": 1}}")).requireRefusal(400, naming: "service_code")
    }

    @Test("a place outside the city's boundary is refused in the caller's language; the edge and an address alone are taken")
    func boundary() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let city = try await gateway.city("bounded", services: try ConformanceFixture.services())
        let ground = try BoundaryJSON.boundary(
            Array("{\"type\":\"Feature\",\"geometry\":{\"type\":\"Polygon\",\"coordinates\":[[[3,43],[4,43],[4,44],[3,44],[3,43]]]}}".utf8))
        #expect(try await gateway.store.setPolicies(TenantPolicies(boundary: ground), of: city.tenant.id))
        try await gateway.directory.load()
        func post(_ lat: String, _ long: String, _ language: String) async throws -> Answer {
            try await gateway.post(
                "\(city.base)/requests.json?locale=\(language)",
                [("service_code", "BIN"), ("lat", lat), ("long", long), ("api_key", city.key)])
        }
        _ = try created(try await post("43.5", "3.5", "fr"))
        _ = try created(try await post("43", "3.5", "fr"))
        try (try await post("42.9", "3.5", "fr")).requireRefusal(400, naming: "hors du territoire")
        try (try await post("43.5", "4.1", "en")).requireRefusal(400, naming: "outside the territory")
        let address = [("service_code", "BIN"), ("address_string", "1 rue"), ("api_key", city.key)]
        _ = try created(try await gateway.post("\(city.base)/requests.json", address))
        #expect(try await gateway.everyRequest(of: city).count == 3)
    }
}
