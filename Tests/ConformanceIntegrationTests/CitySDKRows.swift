import Foundation
import Open311
import TestSupport
import Testing

/// The town of the CitySDK checks, its dates moved so that its 25 March is now.
private struct Town: Sendable {
    let city: GatewayUnderTest.City
    /// By the number in `r-001`.
    let ids: [Int: String]
    let shift: Int64

    static let objects = "https://bus.example/valmont/tourism/pois/"
    private static let making = Task { try await Town(try await GatewayUnderTest.shared()) }
    static func shared() async throws -> Town { try await making.value }

    private init(_ gateway: GatewayUnderTest) async throws {
        city = try await gateway.city(
            "citysdk",
            services: [
                try ConformanceFixture.plain("101", name: "Voirie"), try ConformanceFixture.plain("102", name: "Éclairage public"),
                try ConformanceFixture.plain("103", name: "Mobilier"),
            ])
        let clock = try #require(Timestamp(parsing: "2026-03-25T00:00:00Z"))
        shift = Timestamp.now.seconds - clock.seconds
        let rows = """
            (1, '101', 'RECEIVED', '2026-03-02T08:00Z', '2026-03-02T08:00Z', 43.6000, 3.2000, null, 0, 'Nid-de-poule'),
            (2, '101', 'IN_PROCESS,PUBLIC_WORKS_IN_PROGRESS', '2026-03-05T09:30Z', '2026-03-06T10:00Z', 43.6030, 3.2000, null, 2, 'Trou'),
            (3, '102', 'PROCESSED', '2026-03-07T12:00Z', '2026-03-20T16:45Z', 43.6000, 3.2100, 'p-17', 1, 'Le Lampadaire reste éteint'),
            (4, '103', 'REJECTED', '2026-03-10T07:15Z', '2026-03-11T07:00Z', 43.6500, 3.2000, 'k-2', 0, 'Banc'),
            (5, '103', 'RECEIVED', '2026-03-12T18:00Z', '2026-03-12T18:00Z', 43.6000, 3.2100, 'p-17', 0, 'Banc cassé')
            """
        try await gateway.fixture(
            """
            insert into service_requests (id, tenant_id, service_code, service_name, description, status, open, requested_at, updated_at,
                                          lat, long, service_object_type, service_object_id, media_urls, received_via, language)
            select to_char(now() at time zone 'UTC', 'YYMM')::bigint * 1000000000 + 800000000 + n, \(city.tenant.id.rawValue), code, 'S',
                   words, status, status ~ '^(RECEIVED|IN_PROCESS)', made::timestamptz + make_interval(secs => \(shift)),
                   changed::timestamptz + make_interval(secs => \(shift)), lat, long,
                   case when object is not null then '\(Self.objects)' end, object,
                   (select coalesce(array_agg('https://img.example/' || n || '-' || i || '.jpg'), '{}') from generate_series(1, files) i),
                   'app', 'fr'
            from (values \(rows)) as fixture (n, code, status, made, changed, lat, long, object, files, words)
            """)
        let stored = try await gateway.everyRequest(of: city)
        ids = Dictionary(uniqueKeysWithValues: stored.enumerated().map { ($0 + 1, $1) })
    }

    /// A moment of the checks, in today's time.
    func time(_ text: String) -> String {
        Timestamp(parsing: text).map { $0.adding(seconds: shift).iso8601 } ?? text
    }

    func get(_ query: String, _ gateway: GatewayUnderTest, format: String = "json") async throws -> Answer {
        try await gateway.get("\(city.base)/requests.\(format)?\(query)")
    }

    /// The numbers of the requests that come, in order.
    func numbers(_ query: String, _ gateway: GatewayUnderTest) async throws -> [Int] {
        let answer = try await get(query, gateway)
        try #require(answer.status == 200, "\(query): \(answer.text)")
        return try answer.ids().compactMap { id in ids.first { $0.value == id }?.key }
    }
}

/// A row that asks a list and expects these requests, or a refusal.
struct ListRow: Sendable, CustomTestStringConvertible {
    let id: String
    let queries: [String]
    /// In order; nil for 400.
    let expected: [Int]?

    init(_ id: String, _ queries: String..., expected: [Int]?) {
        (self.id, self.queries, self.expected) = (id, queries, expected)
    }

    var testDescription: String { id }

    var title: String {
        let asked = queries.map { "`\($0)`" }.joined(separator: ", ")
        return "\(asked): " + (expected.map { "requests \($0.map { "r-00\($0)" }.joined(separator: ", "))" } ?? "400")
    }
}

@Suite("CitySDK participation")
struct CitySDKRows {
    private func row(_ id: String, _ title: String, _ body: (GatewayUnderTest, Town) async throws -> Void) async throws {
        try await ConformanceIntegrationTests.row(id, title) { try await body($0, try await Town.shared()) }
    }

    private static let all = [5, 4, 3, 2, 1]

    @Test(
        "lists",
        arguments: [
            ListRow("P-10", "lat=43.6&long=3.2&radius=300", expected: [1]),
            ListRow("P-11", "lat=43.6&long=3.2&radius=400", expected: [2, 1]),
            ListRow("P-12", "lat=43.6&long=3.2&radius=1000", expected: [5, 3, 2, 1]),
            ListRow("P-13", "lat=43.6&long=3.2&radius=10000", expected: all),
            ListRow("P-14", "lat=43.6&long=3.2&radius=400&status=closed", expected: []),
            ListRow("P-15", "lat=43.6&radius=400", expected: nil),
            ListRow("P-16", "lat=43.6&long=3.2&radius=abc", "lat=43.6&long=3.2&radius=-1", "lat=95&long=3.2&radius=1", expected: nil),
            ListRow("P-17", "lat=43.6&lon=3.2&radius=400", expected: nil),
            ListRow("P-18", "lat=43.6&long=3.2", expected: all),
            ListRow("P-19", "bbox=3.195,43.599,3.205,43.604", expected: [2, 1]),
            ListRow("P-20", "bbox=3.205;43.604;3.195;43.599", expected: [2, 1]),
            ListRow("P-21", "bbox=1,2,3", "bbox=3,95,4,96", expected: nil),
            ListRow("P-22", "updated_after=@2026-03-11T07:00:00Z", expected: [5, 4, 3]),
            ListRow("P-23", "updated_before=@2026-03-06T10:00:00Z", expected: [2, 1]),
            ListRow("P-24", "updated_after=@2026-03-06T00:00:00Z&updated_before=@2026-03-11T23:59:59Z", expected: [4, 2]),
            ListRow("P-26", "updated_after=yesterday", expected: nil),
            ListRow("P-27", "start_date=@2026-03-07T12:00:00Z&end_date=@2026-03-10T07:15:00Z", expected: [4, 3]),
            ListRow("P-28", "start_date=2025-01-01T00:00:00Z&end_date=2026-03-01T00:00:00Z", expected: nil),
            ListRow("P-29", "status=open,closed", expected: all),
            ListRow("P-30", "status=open", expected: [5, 2, 1]),
            ListRow("P-31", "status=pending", expected: nil),
            ListRow("P-32", "detailed_status=IN_PROCESS", expected: [2]),
            ListRow("P-33", "detailed_status=received,REJECTED", expected: [5, 4, 1]),
            ListRow("P-34", "detailed_status=PUBLIC_WORKS_IN_PROGRESS", expected: [2]),
            ListRow("P-35", "service_object_type=#N&service_object_id=p-17", expected: [5, 3]),
            ListRow("P-36", "service_object_id=p-17", expected: nil),
            ListRow("P-37", "service_object_type=#N", expected: [5, 4, 3]),
            ListRow("P-39", "service_request_id=zzz", expected: []),
            ListRow("P-40", "search=lampadaire", expected: [3]),
            ListRow("P-41", "order_by=updated_datetime", expected: [1, 2, 4, 5, 3]),
            ListRow("P-42", "order_by=password", expected: nil),
            ListRow("P-65", "jurisdiction_id=citysdk.example", expected: all),
        ]) func lists(list: ListRow) async throws {
        try await row(list.id, list.title) { gateway, town in
            for query in list.queries {
                let moved = query.replacing(/@([0-9TZ:-]+)/) { town.time(String($0.1)) }
                    .replacing("#N", with: GatewayUnderTest.escaped(Town.objects))
                if let expected = list.expected {
                    try #require(try await town.numbers(moved, gateway) == expected, "\(moved)")
                } else {
                    try (try await town.get(moved, gateway)).requireRefusal(400)
                }
            }
        }
    }

    @Test("P-01 P-02 P-03 P-04 P-05 P-06") func extensions() async throws {
        for (id, query) in [("P-01", ""), ("P-02", "extensions=false")] {
            try await row(id, "`\(query)`: newest first, no `extended_attributes`") { gateway, town in
                try #require(try await town.numbers(query, gateway) == Self.all)
                try #require(try await town.get(query, gateway).items().allSatisfy { $0["extended_attributes"] == nil })
            }
        }
        for (id, queries) in [("P-03", ["extensions=true"]), ("P-04", ["extensions=TRUE", "extensions=all"])] {
            try await row(id, "`\(queries.joined(separator: "`, `"))`: `detailed_status` in each `extended_attributes`") { gateway, town in
                for query in queries {
                    let items = try await town.get(query, gateway).items()
                    try #require(items.count == 5 && items.allSatisfy { $0["extended_attributes"]?["detailed_status"]?.string != nil })
                }
            }
        }
        try await row("P-05", "`extensions=citysdk`: without `media_urls`") { gateway, town in
            let items = try await town.get("extensions=citysdk", gateway).items()
            try #require(items.allSatisfy { $0["extended_attributes"] != nil && $0["extended_attributes"]?["media_urls"] == nil })
        }
        try await row("P-06", "`extensions=citysdk,media,foo`: `media_urls` where there are any") { gateway, town in
            let items = try await town.get("extensions=citysdk,media,foo", gateway).items()
            let counts = items.map { $0["extended_attributes"]?["media_urls"]?.array?.count }
            try #require(counts == [nil, nil, 1, 2, nil])
        }
    }

    @Test("P-07 P-08 P-25 P-38 P-43") func others() async throws {
        try await row("P-07", "one request with extensions: full status, first picture first") { gateway, town in
            let item = try await gateway.get("\(town.city.base)/requests/\(town.ids[2] ?? "").json?extensions=true").item()
            try #require(item["extended_attributes"]?["detailed_status"]?.string == "IN_PROCESS,PUBLIC_WORKS_IN_PROGRESS")
            try #require(item["media_url"] == item["extended_attributes"]?["media_urls"]?.array?.first && item["status"]?.string == "open")
        }
        try await row("P-08", "the same in XML: `extended_attributes/media_urls/media_url` twice") { gateway, town in
            let root = try await gateway.get("\(town.city.base)/requests/\(town.ids[2] ?? "").xml?extensions=true").xml()
            let urls = try #require(root["request"]?["extended_attributes"]?["media_urls"])
            try #require(root.name == "service_requests" && root.children.count == 1 && urls.all("media_url").count == 2)
        }
        try await row("P-25", "a bound with an offset is the same instant") { gateway, town in
            let moment = try #require(Timestamp(parsing: town.time("2026-03-11T07:00:00Z")))
            let east = moment.adding(seconds: 3_600).iso8601.dropLast() + "%2B01:00"
            try #require(try await town.numbers("updated_after=\(east)", gateway) == [5, 4, 3])
        }
        try await row("P-38", "ids override the status") { gateway, town in
            let ids = "\(town.ids[1] ?? ""),\(town.ids[4] ?? "")"
            try #require(try await town.numbers("service_request_id=\(ids)&status=open", gateway) == [4, 1])
        }
        try await row("P-43", "`page_size=2&page=2`: r-003, r-002; five results on three pages") { gateway, town in
            let answer = try await town.get("page_size=2&page=2", gateway)
            try #require(try await town.numbers("page_size=2&page=2", gateway) == [3, 2])
            try #require(answer.header("X-Result-Count") == "5" && answer.header("X-Page-Count") == "3")
        }
    }

    @Test("P-46 P-48 P-49 P-50 P-51 P-59 P-64") func posting() async throws {
        func post(_ gateway: GatewayUnderTest, _ fields: [(String, String)]) async throws -> Answer {
            let city = gateway.cityA
            return try await gateway.post("\(city.base)/requests.json", [("service_code", "BIN"), ("description", "x")] + fields, headers: ["X-API-Key": city.key])
        }
        func extended(_ answer: Answer, _ gateway: GatewayUnderTest) async throws -> JSON {
            try #require(answer.status == 200, "\(answer.text)")
            let id = try #require(try answer.item()["service_request_id"]?.string)
            let item = try await gateway.get("\(gateway.cityA.base)/requests/\(id).json?extensions=citysdk").item()
            return try #require(item["extended_attributes"])
        }
        let here = [("lat", "43.6"), ("long", "3.2")]
        try await row("P-46", "`service_object_id` without its type: 400") { gateway, _ in
            try (try await post(gateway, [("service_object_id", "p-17")])).requireRefusal(400, naming: "service_object_type")
            try (try await post(gateway, here + [("service_object_type", "urn:x")])).requireRefusal(400, naming: "service_object_id")
        }
        try await row("P-48", "an object of a foreign namespace comes back unchanged; it is a location by itself") { gateway, _ in
            let object = [("service_object_type", "https://other.example/map"), ("service_object_id", "9")]
            for fields in [here + object, object] {
                let read = try await extended(try await post(gateway, fields), gateway)
                try #require(read["service_object_type"]?.string == "https://other.example/map" && read["service_object_id"]?.string == "9")
            }
        }
        try await row("P-49", "neither position, address nor object: 400") { gateway, _ in
            try (try await post(gateway, [])).requireRefusal(400)
        }
        try await row("P-50", "a title comes back") { gateway, _ in
            try #require(try await extended(try await post(gateway, here + [("title", "Banc cassé près du musée")]), gateway)["title"]?.string == "Banc cassé près du musée")
        }
        try await row("P-51", "without a title: the beginning of the description, 120 characters at most") { gateway, _ in
            let long = String(repeating: "description ", count: 20)
            let city = gateway.cityA
            let answer = try await gateway.post(
                "\(city.base)/requests.json", here + [("service_code", "BIN"), ("description", long)], headers: ["X-API-Key": city.key])
            let title = try #require(try await extended(answer, gateway)["title"]?.string)
            try #require(long.hasPrefix(title) && (1...120).contains(title.count))
        }
        try await row("P-59", "without a key, with a wrong one: 403") { gateway, _ in
            for key in ["", "bad"] {
                let fields = here + [("service_code", "BIN"), ("description", "x"), ("api_key", key)]
                try (try await gateway.post("\(gateway.cityA.base)/requests.json", fields)).requireRefusal(403)
            }
        }
        try await row("P-64", "another city’s jurisdiction on this base: 404") { gateway, _ in
            try (try await post(gateway, here + [("jurisdiction_id", "b.example")])).requireRefusal(404, naming: "jurisdiction_id")
        }
    }

    @Test("P-61 P-62 P-63") func lifecycle() async throws {
        let gateway = try await GatewayUnderTest.shared()
        let city = try await gateway.city("citysdk-life", services: try ConformanceFixture.services())
        let id = try await gateway.stored("BIN", in: city, daysAgo: 2)
        func item() async throws -> JSON { try await gateway.get("\(city.base)/requests/\(id).json?extensions=citysdk").item() }
        try await row("P-61", "IN_PROCESS: still open, changed, and found by `updated_after`") { _, _ in
            let before = try #require(Timestamp(parsing: try await item()["updated_datetime"]?.string ?? ""))
            try await gateway.update(id, of: city, "IN_PROCESS", daysAgo: 1)
            let after = try await item()
            try #require(after["status"]?.string == "open" && after["extended_attributes"]?["detailed_status"]?.string == "IN_PROCESS")
            let query = "updated_after=\(before.adding(seconds: 1).iso8601)"
            try #require(try await gateway.get("\(city.base)/requests.json?\(query)").ids() == [id])
        }
        try await row("P-62", "PROCESSED with a note: closed, the note in `status_notes`") { _, _ in
            try await gateway.update(id, of: city, "PROCESSED", notes: "Ampoule changée")
            let after = try await item()
            try #require(after["status"]?.string == "closed" && after["status_notes"]?.string == "Ampoule changée")
        }
        try await row("P-63", "a status and a detailed status that contradict each other cannot be said: there is one member for both") { _, _ in
            #expect(throws: InvalidValue.self) { try StatusUpdate.RequestedStatus(validating: "open,PROCESSED") }
            #expect(throws: InvalidValue.self) { try StatusUpdate.RequestedStatus(validating: "SOLVED") }
        }
    }
}
