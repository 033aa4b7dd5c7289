import Foundation
import Open311
import TestSupport
import Testing

@Suite("CitySDK participation: writing")
struct CitySDKCreateRows {
    private static let cleaned = "the bytes are never the uploaded ones: every photo is cleaned of its metadata and leaves as JPEG"
    private static let fields = [("service_code", "103"), ("description", "Une latte manque au banc")]
    private static let place = [("lat", "43.6"), ("long", "3.2")]

    /// A city of these rows alone; what they post changes no other row's lists.
    private static let making = Task {
        let gateway = try await GatewayUnderTest.shared()
        let city = try await gateway.city("writing", services: CitySDKTown.services())
        try await TownPlaces.publish(gateway, city)
        return city
    }

    private func object(_ id: String, _ gateway: GatewayUnderTest, _ city: GatewayUnderTest.City) -> [(String, String)] {
        [("service_object_type", "\(gateway.root)/\(city.tenant.key)/tourism/pois/"), ("service_object_id", id)]
    }

    private func row(
        _ id: String,
        _ title: String,
        refusedBecause refusal: String? = nil,
        _ body: (GatewayUnderTest, GatewayUnderTest.City) async throws -> Void
    ) async throws {
        try await ConformanceIntegrationTests.row(id, title, refusedBecause: refusal) { try await body($0, try await Self.making.value) }
    }

    private func post(_ fields: [(String, String)], _ gateway: GatewayUnderTest, _ city: GatewayUnderTest.City) async throws -> Answer {
        try await gateway.post("\(city.base)/requests.json", fields + [("api_key", city.key)])
    }

    private func multipart(
        _ fields: [(String, String)],
        files: [(name: String, file: String, bytes: [UInt8])],
        _ gateway: GatewayUnderTest,
        _ city: GatewayUnderTest.City
    ) async throws -> Answer {
        var bytes: [UInt8] = []
        for (name, value) in fields + [("api_key", city.key)] {
            bytes += Array("--mark\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n".utf8)
        }
        for file in files {
            bytes += Array("--mark\r\nContent-Disposition: form-data; name=\"\(file.name)\"; filename=\"\(file.file)\"\r\n".utf8)
            bytes += Array("Content-Type: image/jpeg\r\n\r\n".utf8) + file.bytes + Array("\r\n".utf8)
        }
        bytes += Array("--mark--\r\n".utf8)
        let type = ["Content-Type": "multipart/form-data; boundary=mark"]
        return try await gateway.send("POST", "\(city.base)/requests.json", headers: type, body: bytes)
    }

    /// What was just created, with its extensions.
    private func created(
        _ answer: Answer,
        _ gateway: GatewayUnderTest,
        _ city: GatewayUnderTest.City,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> JSON {
        try #require(answer.status == 200, "\(answer.text)", sourceLocation: sourceLocation)
        let id = try #require(try answer.item()["service_request_id"]?.string, sourceLocation: sourceLocation)
        return try await gateway.get("\(city.base)/requests/\(id).json?extensions=true").item()
    }

    // MARK: Objects

    @Test("P-45") func p45() async throws {
        try await row("P-45", "an object in place of a position: created; its position is copied") { gateway, city in
            let object = object("p-17", gateway, city)
            let request = try await created(try await post(Self.fields + object, gateway, city), gateway, city)
            try #require(request["extended_attributes"]?["service_object_id"]?.string == "p-17")
            try #require(request["extended_attributes"]?["service_object_type"]?.string == object[0].1)
            try #require(request["lat"]?.number == 43.6 && request["long"]?.number == 3.21)
            let near = try await created(try await post(Self.fields + object + Self.place, gateway, city), gateway, city)
            try #require(near["long"]?.number == 3.2, "a position that was given stays")
        }
    }

    @Test("P-46") func p46() async throws {
        try await row("P-46", "an object's id without its type: 400, nothing stored") { gateway, city in
            let half = [("service_code", "103"), ("description", "P-46 refused"), ("service_object_id", "p-17")]
            try (try await post(half, gateway, city)).requireRefusal(400, naming: "service_object_type")
            try (try await post(half + Self.place, gateway, city)).requireRefusal(400, naming: "service_object_type")
            try #require(try await gateway.count(describedAs: "P-46 refused") == 0)
        }
    }

    @Test("P-47") func p47() async throws {
        try await row("P-47", "an unknown object of the city's own namespace: 400") { gateway, city in
            let fields = [("service_code", "103"), ("description", "P-47 refused")]
            for id in ["nope", "d-9", "../p-17"] {
                let answer = try await post(fields + object(id, gateway, city) + Self.place, gateway, city)
                try answer.requireRefusal(400, naming: "service_object_id")
            }
            try #require(try await gateway.count(describedAs: "P-47 refused") == 0)
        }
    }

    @Test("P-48") func p48() async throws {
        try await row("P-48", "an object of another namespace: both texts unchanged") { gateway, city in
            let object = [("service_object_type", "https://other.example/map"), ("service_object_id", "9")]
            let request = try await created(try await post(Self.fields + Self.place + object, gateway, city), gateway, city)
            try #require(request["extended_attributes"]?["service_object_type"]?.string == "https://other.example/map")
            try #require(request["extended_attributes"]?["service_object_id"]?.string == "9" && request["lat"]?.number == 43.6)
        }
    }

    @Test("P-49") func p49() async throws {
        try await row("P-49", "neither position nor address nor object: 400") { gateway, city in
            try (try await post(Self.fields, gateway, city)).requireRefusal(400, naming: "lat")
        }
    }

    // MARK: Title

    @Test("P-50") func p50() async throws {
        try await row("P-50", "a title: in `extended_attributes`") { gateway, city in
            let title = "Banc cassé devant le musée Zola"
            let request = try await created(try await post(Self.fields + Self.place + [("title", title)], gateway, city), gateway, city)
            try #require(request["extended_attributes"]?["title"]?.string == title && request["title"] == nil)
        }
    }

    @Test("P-51") func p51() async throws {
        try await row("P-51", "without a title: the beginning of the description") { gateway, city in
            let description = String(repeating: "banc ", count: 40)
            let fields = [("service_code", "103"), ("description", description)] + Self.place
            let request = try await created(try await post(fields, gateway, city), gateway, city)
            let title = try #require(request["extended_attributes"]?["title"]?.string)
            try #require(!title.isEmpty && title.count <= 120 && description.hasPrefix(title))
        }
    }

    // MARK: Files

    /// Posts files and requires the report stored without them.
    /// Posts files and returns the addresses of what was created.
    private func urls(
        _ fields: [(String, String)], _ files: [(name: String, file: String, bytes: [UInt8])], _ gateway: GatewayUnderTest,
        _ city: GatewayUnderTest.City
    ) async throws -> [String] {
        let answer = try await multipart(fields + Self.place, files: files, gateway, city)
        return try shown(try await created(answer, gateway, city))
    }

    private func shown(_ request: JSON) throws -> [String] {
        let urls = try #require(request["extended_attributes"]?["media_urls"]?.array).compactMap(\.string)
        try #require(request["media_url"]?.string == urls.first)
        return urls
    }

    @Test("P-09") func p09() async throws {
        try await row("P-09", "each of `media_urls` answers the uploaded bytes", refusedBecause: Self.cleaned) { gateway, city in
            let urls = try await urls(Self.fields, [("media[]", "a.jpg", Picture.png)], gateway, city)
            for url in urls {
                let answer = try await gateway.send("GET", url)
                try #require(answer.status == 200 && answer.contentType == "image/jpeg" && answer.body.starts(with: [0xFF, 0xD8, 0xFF]))
            }
        }
    }

    @Test("P-52") func p52() async throws {
        try await row("P-52", "multipart with two `media[]`") { gateway, city in
            try #require(
                try await urls(Self.fields, [("media[]", "a.jpg", Picture.png), ("media[]", "b.jpg", Picture.png)], gateway, city).count
                    == 2)
        }
    }

    @Test("P-53") func p53() async throws {
        try await row("P-53", "multipart with two `media`") { gateway, city in
            try #require(
                try await urls(Self.fields, [("media", "a.jpg", Picture.png), ("media", "b.jpg", Picture.png)], gateway, city).count == 2)
        }
    }

    @Test("P-54") func p54() async throws {
        try await row("P-54", "a form with `media` in base64") { gateway, city in
            let fields = Self.fields + Self.place + [("media", Data(Picture.png).base64EncodedString())]
            try #require(try shown(try await created(try await post(fields, gateway, city), gateway, city)).count == 1)
        }
    }

    @Test("P-55") func p55() async throws {
        try await row("P-55", "a file and a `media_url`: the file first") { gateway, city in
            let link = "https://x.example/a.jpg"
            let urls = try await urls(Self.fields + [("media_url", link)], [("media[]", "a.jpg", Picture.png)], gateway, city)
            try #require(urls.count == 2 && urls[0].contains("/media/") && urls[1] == link)
        }
    }

    @Test("P-56") func p56() async throws {
        try await row("P-56", "a program named a.jpg: 400") { gateway, city in
            let files = [(name: "media[]", file: "a.jpg", bytes: Array("\u{7F}ELF".utf8))]
            try (try await multipart(Self.fields + Self.place, files: files, gateway, city)).requireRefusal(400, naming: "media[]")
        }
    }

    @Test("P-57") func p57() async throws {
        try await row("P-57", "multipart beyond the limit: 413") { gateway, city in
            let large = [UInt8](repeating: 0xFF, count: 70_000_000)
            try (try await multipart(Self.fields + Self.place, files: [("media[]", "a.jpg", large)], gateway, city)).requireRefusal(413)
        }
    }

    @Test("P-58") func p58() async throws {
        try await row("P-58", "a field's name with a space behind it, as one client sends it: created") { gateway, city in
            let fields = [("service_code ", "103"), ("description", "x")] + Self.place
            _ = try await created(try await multipart(fields, files: [], gateway, city), gateway, city)
        }
    }

    // MARK: The way back

    @Test("P-44") func p44() async throws {
        let why = "requests are not moderated yet: each is listed as soon as it is stored, without personal data"
        try await row("P-44", "a request that no moderator has published is in no list", refusedBecause: why) { gateway, city in
            let request = try await created(
                try await post(Self.fields + Self.place + [("email", "p44@mail.example")], gateway, city),
                gateway,
                city
            )
            let list = try await gateway.get("\(city.base)/requests.json")
            try #require(try list.ids().contains(try #require(request["service_request_id"]?.string)) && !list.text.contains("p44@"))
        }
    }

    @Test("P-61") func p61() async throws {
        try await row("P-61", "the CRM sets IN_PROCESS: open, changed, found by `updated_after`") { gateway, city in
            let id = try await gateway.stored("101", in: city, daysAgo: 2)
            let before = try await gateway.get("\(city.base)/requests/\(id).json").item()
            try await gateway.update(id, of: city, "IN_PROCESS")
            let after = try await gateway.get("\(city.base)/requests/\(id).json?extensions=true").item()
            try #require(after["status"]?.string == "open")
            try #require(after["extended_attributes"]?["detailed_status"]?.string == "IN_PROCESS")
            let old = try #require(before["updated_datetime"]?.string.flatMap { Timestamp(parsing: $0) })
            try #require(try #require(after["updated_datetime"]?.string.flatMap { Timestamp(parsing: $0) }) > old)
            let since = GatewayUnderTest.escaped(old.adding(seconds: 1).iso8601)
            try #require(try await gateway.get("\(city.base)/requests.json?updated_after=\(since)").ids().contains(id))
        }
    }

    @Test("P-62") func p62() async throws {
        try await row("P-62", "the CRM sets PROCESSED with a note: closed, with the note") { gateway, city in
            let id = try await gateway.stored("101", in: city, daysAgo: 1)
            try await gateway.update(id, of: city, "PROCESSED", notes: "Réparé")
            let after = try await gateway.get("\(city.base)/requests/\(id).json").item()
            try #require(after["status"]?.string == "closed" && after["status_notes"]?.string == "Réparé")
        }
    }

    @Test("P-63") func p63() async throws {
        let why = "a status is one word, open, closed or a detailed one, so that the two cannot contradict each other"
        try await row("P-63", "the CRM sends `open` with PROCESSED: refused", refusedBecause: why) { gateway, city in
            let id = try await gateway.stored("101", in: city, daysAgo: 1)
            await #expect(throws: (any Error).self) { try await gateway.update(id, of: city, "open,PROCESSED") }
            try #require(try await gateway.get("\(city.base)/requests/\(id).json").item()["status"]?.string == "open")
        }
    }
}
