import Open311
import Storage
import TestSupport
import Testing

@Suite("Tokens")
struct TokenRows {
    private let fields = [("service_code", "BAT"), ("lat", "43.6"), ("long", "3.2"), ("description", "x")]

    @Test("T01 T02 T03 T04 T05 T06 T07") func tokens() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let city = try await gateway.city("tokens", services: try ConformanceFixture.services())
        let reference = [("client_request_id", "r-1"), ("api_key", city.key)]
        let token = try #require(
            try await gateway.post("\(city.base)/requests.json", fields + reference).item()["token"]?.string)
        func get(_ token: String, _ format: String = "json") async throws -> Answer {
            try await gateway.get("\(city.base)/tokens/\(token).\(format)")
        }
        try await row("T01", "before the CRM knows the request: 200 with the token alone, and no list shows the request") { _ in
            try #require(try await get(token).json() == .array([.object(["token": .string(token)])]))
            try #require(try await gateway.get("\(city.base)/requests.json").ids() == [])
            // A repetition of the submission gets the same token.
            let again = try await gateway.post("\(city.base)/requests.json", fields + reference)
            try #require(try again.item()["token"]?.string == token)
        }
        let id = try #require(try await gateway.everyRequest(of: city).first)
        try (try await gateway.get("\(city.base)/requests/\(id).json")).requireRefusal(404)
        try await gateway.update(id, of: city, "IN_PROCESS")
        try await row("T02", "once the CRM knows it: id and token, both strings") { _ in
            try #require(
                try await get(token).json() == .array([.object(["service_request_id": .string(id), "token": .string(token)])]))
        }
        try await row("T03", "the same in XML") { _ in
            let request = try #require(try await get(token, "xml").xml()["request"])
            try #require(request["service_request_id"]?.text == id && request["token"]?.text == token)
        }
        try await row("T04", "an unknown token: 404") { _ in
            for unknown in ["nope", String(repeating: "0", count: 32)] { try (try await get(unknown)).requireRefusal(404, naming: "token") }
        }
        try await row("T05", "jurisdiction missing: 400; unknown: 404") { gateway in
            try (try await gateway.get("tokens/\(token).json")).requireRefusal(400, naming: "jurisdiction_id")
            try (try await gateway.get("tokens/\(token).json?jurisdiction_id=nowhere.example")).requireRefusal(
                404, naming: "jurisdiction_id")
        }
        try await row("T06", "another city's token: 404, as for an unknown one") { gateway in
            try (try await gateway.get("\(gateway.cityB.base)/tokens/\(token).json")).requireRefusal(404)
        }
        try await row("T07", "the id of a resolved token is found and listed") { gateway in
            try #require(try await gateway.get("\(city.base)/requests/\(id).json").ids() == [id])
            try #require(try await gateway.get("\(city.base)/requests.json").ids() == [id])
        }
    }

    @Test("a city that answers tokens does so for every service, says so in its catalogue, and resolves them on its test endpoint at once")
    func deferringCity() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let city = try await gateway.city("deferring", services: try ConformanceFixture.services())
        _ = try await gateway.store.setPolicies(TenantPolicies(defersIdentifiers: true), of: city.tenant.id)
        let key = try await gateway.key(of: city, scopes: [.test]).reveal()
        let types = try await gateway.get("\(city.base)/services.json").items().compactMap { $0["type"]?.string }
        #expect(!types.contains("realtime") && types.contains("batch") && types.contains("blackbox"))
        let bin = [("service_code", "BIN"), ("lat", "43.6"), ("long", "3.2")]
        #expect(try await gateway.post("\(city.base)/requests.json", bin + [("api_key", city.key)]).item()["token"] != nil)
        let tried = try await gateway.post("\(city.testBase)/requests.json", bin + [("api_key", key)]).item()
        let token = try #require(tried["token"]?.string)
        #expect(try await gateway.get("\(city.testBase)/tokens/\(token).json").item()["service_request_id"]?.string?.isEmpty == false)
        #expect(try await gateway.get("\(city.base)/tokens/\(token).json").status == 404)
    }
}
