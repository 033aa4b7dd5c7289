import Foundation
import Open311
import Postgres
import TestSupport
import Testing

@Suite("Updates")
struct UpdateRows {
    private static let city = Task {
        try await (try await GatewayUnderTest.shared()).city("fms", services: try ConformanceFixture.services())
    }

    private func row(_ id: String, _ title: String, _ body: (GatewayUnderTest, GatewayUnderTest.City) async throws -> Void) async throws {
        try await ConformanceIntegrationTests.row(id, title) { try await body($0, try await Self.city.value) }
    }

    private func window() -> String { "start_date=\(SearchCity.ago(days: 1))&end_date=\(Timestamp.now.iso8601)" }

    @Test("U01 U02 U03 U04") func reading() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let city = try await Self.city.value
        let id = try await gateway.stored("BIN", in: city, daysAgo: 20)
        try await row("U02", "a window without updates: an empty list in each format") { gateway, city in
            let old = "start_date=2026-01-01T00:00:00Z&end_date=2026-01-01T02:00:00Z"
            try #require(try await gateway.get("\(city.base)/servicerequestupdates.json?\(old)").text == "[]")
            let root = try await gateway.get("\(city.base)/servicerequestupdates.xml?\(old)").xml()
            try #require(root.name == "service_request_updates" && root.children.isEmpty)
        }
        // Said three days ago, known here only now: a site that asks every two hours must still hear of it.
        try await gateway.update(id, of: city, "IN_PROCESS,PUBLIC_WORKS_NEW", notes: "Équipe prévue jeudi", daysAgo: 3)
        try await gateway.update(id, of: city, "closed", notes: "Fait", daysAgo: 2)
        func list() async throws -> [JSON] {
            try await gateway.get("\(city.base)/servicerequestupdates.json?\(window())").items().filter {
                $0["service_request_id"]?.string == id
            }
        }
        try await row("U01", "the CRM’s updates, with all that FixMyStreet needs of them") { gateway, city in
            let updates = try await list()
            try #require(updates.map { $0["status"]?.string } == ["in_progress", "closed"])
            try #require(updates.map { $0["description"]?.string } == ["Équipe prévue jeudi", "Fait"])
            try #require(updates[0]["external_status_code"]?.string == "IN_PROCESS,PUBLIC_WORKS_NEW")
            try #require(Set(updates.compactMap { $0["update_id"]?.string }).count == 2)
            let root = try await gateway.get("\(city.base)/servicerequestupdates.xml?\(window())&api_key=\(city.key)").xml()
            try #require(root.name == "service_request_updates" && root.children.allSatisfy { $0.name == "request_update" })
            for name in ["update_id", "service_request_id", "status", "updated_datetime", "description", "media_url"] {
                try #require(root.children.allSatisfy { $0[name] != nil }, "\(name)")
            }
        }
        try await row("U03", "every moment lies in the window asked for") { _, _ in
            let (start, end) = (Timestamp.now.adding(days: -1), Timestamp.now)
            for update in try await list() {
                let moment = try #require(Timestamp(parsing: update["updated_datetime"]?.string ?? ""))
                try #require((start...end.adding(seconds: 1)).contains(moment))
            }
        }
        try await row("U04", "the same window twice: the same ids") { _, _ in
            let (first, second) = (try await list(), try await list())
            try #require(first.map { $0["update_id"] } == second.map { $0["update_id"] })
        }
        try (try await gateway.get("\(city.base)/servicerequestupdates.json?start_date=x")).requireRefusal(400, naming: "start_date")
    }

    @Test("U05 U06 U07") func posting() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let city = try await Self.city.value
        let id = try await gateway.stored("BIN", in: city, daysAgo: 1)
        func fields(_ update: String, _ more: [(String, String)] = []) -> [(String, String)] {
            let all = [
                ("api_key", city.key), ("service_request_id", id), ("update_id", update), ("updated_datetime", "2026-11-20T10:00:00+01:00"),
                ("status", "CLOSED"), ("description", "C’est réparé"), ("first_name", "Canary"), ("last_name", "-"),
                ("email", "canary@mail.example"),
            ]
            return all.filter { field in !more.contains { $0.0 == field.0 } } + more
        }
        let address = "\(city.base)/servicerequestupdates"
        func events() async throws -> [(sequence: Int32, body: String)] {
            try await gateway.owner.run { (session) throws(PostgresError) in
                try session.execute(
                    Statement(
                        "conformance_events", "select request_sequence, body from outbox where request_id = $1::bigint order by seq"),
                    [.int64(Int64(id) ?? 0)]
                ).map { (row) throws(PostgresError) in (try row.int32(0), String(decoding: try row.byteString(1), as: UTF8.self)) }
            }
        }
        try await row("U05", "POST: the server’s own `update_id`, and the CRM is told") { gateway, _ in
            let answer = try await gateway.post("\(address).xml", fields("f-1"))
            let update = try #require(try answer.xml()["request_update"])
            try #require(answer.status == 200 && update["update_id"]?.text.isEmpty == false)
            let told = try #require(try await events().last)
            try #require(told.sequence == 2 && told.body.contains("\"citizen_update\"") && told.body.contains("C’est réparé"))
            // The city decides: the request itself has not changed.
            try #require(try await gateway.get("\(city.base)/requests/\(id).json").item()["status"]?.string == "open")
        }
        try await row("U06", "no key: 403; unknown request: 404; no description: 400") { gateway, _ in
            try (try await gateway.post("\(address).json", fields("f-2", [("api_key", "")]))).requireRefusal(403)
            for other in ["unknown", "2611999999999", gateway.requests.rb] {
                try (try await gateway.post("\(address).json", fields("f-2", [("service_request_id", other)]))).requireRefusal(404)
            }
            try (try await gateway.post("\(address).json", fields("f-2", [("description", ""), ("status", "")])))
                .requireRefusal(400, naming: "description")
            try #require(try await events().count == 2)
        }
        try await row("U07", "the same `update_id` twice: the same answer, one update; with other content 409") { gateway, _ in
            let first = try await gateway.post("\(address).json", fields("f-3")).item()
            let answers = try await withThrowingTaskGroup(of: JSON.self) { group in
                for _ in 0..<5 { group.addTask { try await gateway.post("\(address).json", fields("f-3")).item() } }
                return try await group.reduce(into: [JSON]()) { $0.append($1) }
            }
            try #require(answers.allSatisfy { $0 == first })
            try #require(try await events().map(\.sequence) == [1, 2, 3])
            try (try await gateway.post("\(address).json", fields("f-3", [("description", "Autre")]))).requireRefusal(409)
        }
        let busy = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<8 { group.addTask { try await gateway.post("\(address).json", fields("b-\(number)")).status } }
            return try await group.reduce(into: [Int]()) { $0.append($1) }
        }
        #expect(busy.allSatisfy { $0 == 200 })
        #expect(try await events().map(\.sequence) == Array(1...11))
    }

    @Test("U08") func u08() async throws {
        try await row("U08", "R2 as FixMyStreet’s importer asks: every item has what it reads") { gateway, _ in
            let search = try await SearchCity.shared()
            let items = try await search.get("start_date=\(SearchCity.ago(days: 11))&end_date=\(SearchCity.ago(days: 1))", gateway).items()
            try #require(!items.isEmpty)
            for item in items {
                for name in ["service_request_id", "requested_datetime", "updated_datetime", "status", "service_code"] {
                    try #require(item[name]?.string?.isEmpty == false)
                }
                try #require(item["lat"]?.number != nil && item["long"]?.number != nil)
            }
        }
    }
}
