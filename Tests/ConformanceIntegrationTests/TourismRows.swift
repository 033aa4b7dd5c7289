import Foundation
import Open311
import Storage
import TestSupport
import Testing

/// CitySDK Tourism 1.0 over the town's places (reference 2.12).
@Suite("CitySDK tourism")
struct TourismRows {
    private func row(
        _ id: String, _ title: String, refusedBecause refusal: String? = nil,
        _ body: (GatewayUnderTest, CitySDKTown) async throws -> Void
    ) async throws {
        try await ConformanceIntegrationTests.row(id, title, refusedBecause: refusal) { try await body($0, try await CitySDKTown.shared()) }
    }

    private func get(_ path: String, _ gateway: GatewayUnderTest, _ town: CitySDKTown) async throws -> Answer {
        try await gateway.get(town.tourism + path)
    }

    private func pois(_ path: String, _ gateway: GatewayUnderTest, _ town: CitySDKTown) async throws -> [JSON] {
        let answer = try await get(path, gateway, town)
        try #require(answer.status == 200, "\(answer.text)")
        return try #require(try answer.json()["poi"]?.array, "\(answer.text)")
    }

    /// A row that asks a list and wants these ids in this order.
    private func list(_ id: String, _ title: String, _ path: String, _ expected: String...) async throws {
        try await row(id, title) { gateway, town in
            let found = try await pois(path, gateway, town).compactMap { $0["id"]?.string }
            try #require(found == expected, "\(path): \(found)")
        }
    }

    private func refusal(_ id: String, _ title: String, _ status: Int, _ paths: String...) async throws {
        try await row(id, title) { gateway, town in
            for path in paths {
                let answer = try await get(path, gateway, town)
                try #require(answer.status == status, "\(path): \(answer.text)")
                try #require(try answer.json()["ResponseStatus"]?["Message"]?.string?.isEmpty == false)
            }
        }
    }

    private func entry(_ gateway: GatewayUnderTest, _ town: CitySDKTown) async throws -> [String: JSON] {
        let answer = try await get("", gateway, town)
        try #require(answer.status == 200 && !answer.text.contains("null"))
        let versions = try #require(try answer.json()["citysdk-tourism"]?.array)
        try #require(versions.count == 1 && versions[0]["version"]?.string == "1.0")
        return try #require(versions[0]["_links"]?.object)
    }

    private static func texts(_ value: JSON?) -> [JSON] { value?.array ?? [] }

    // MARK: Entry

    @Test("T-01") func t01() async throws {
        try await row("T-01", "the base: one entry, version 1.0") { _ = try await entry($0, $1) }
    }

    @Test("T-02") func t02() async throws {
        try await row("T-02", "`resources`: the same") { gateway, town in
            try #require(try await get("resources", gateway, town).body == (try await get("", gateway, town)).body)
        }
    }

    @Test("T-03") func t03() async throws {
        try await row("T-03", "`find-poi` names every parameter; each link has `href` and `templated`") { gateway, town in
            let links = try await entry(gateway, town)
            try #require(links["find-poi"]?["href"]?.string?.contains("{?category,tag,complete,minimal,coords,limit,offset}") == true)
            try #require(links.values.allSatisfy { $0["href"]?.string != nil && $0["templated"]?.string == "true" })
        }
    }

    @Test("T-04") func t04() async throws {
        try await row("T-04", "no link for what is not published") { gateway, town in
            let links = try await entry(gateway, town)
            try #require(links["find-event"] == nil && links["find-route"] == nil)
        }
    }

    // MARK: Lists

    @Test("T-05") func t05() async throws {
        try await list("T-05", "every place that is there, by id", "pois/search", "k-1", "k-2", "p-17", "z-1")
    }

    @Test("T-06") func t06() async throws {
        try await row("T-06", "`base` and `id` are an address that answers the place") { gateway, town in
            for poi in try await pois("pois/search", gateway, town) {
                let id = try #require(poi["id"]?.string)
                let answer = try await gateway.get(try #require(poi["base"]?.string) + id)
                try #require(answer.status == 200 && (try answer.json())["id"]?.string == id)
            }
        }
    }

    @Test("T-07") func t07() async throws {
        try await row("T-07", "the same keys always, no null, no `tags`") { gateway, town in
            try #require(!(try await get("pois/search", gateway, town)).text.contains("null"))
            for poi in try await pois("pois/search", gateway, town) {
                for key in ["label", "description", "category", "time", "link"] { try #require(poi[key]?.array != nil, "\(key)") }
                try #require(poi["location"]?.object != nil && poi["tags"] == nil)
            }
        }
    }

    @Test("T-08") func t08() async throws {
        try await row("T-08", "one place without a wrapper") { gateway, town in
            let poi = try await get("pois/k-1", gateway, town).json()
            try #require(poi["id"]?.string == "k-1" && poi["poi"] == nil)
        }
    }

    @Test("T-09") func t09() async throws { try await refusal("T-09", "an unknown place: 404 with a message", 404, "pois/nope") }

    @Test("T-10") func t10() async throws {
        try await list("T-10", "`category` with what is below it", "pois/search?category=parking", "k-1", "k-2")
    }

    @Test("T-11") func t11() async throws {
        try await list("T-11", "`category` in another language", "pois/search?category=Stationnement", "k-1", "k-2")
    }

    @Test("T-12") func t12() async throws {
        try await list("T-12", "several categories", "pois/search?category=Museum,parking%20couvert", "k-1", "p-17")
    }

    @Test("T-13") func t13() async throws { try await list("T-13", "an unknown category: empty", "pois/search?category=zzz") }
    @Test("T-14") func t14() async throws { try await list("T-14", "`tag`", "pois/search?tag=centre", "k-1", "k-2") }
    @Test("T-15") func t15() async throws { try await list("T-15", "several tags: all of them", "pois/search?tag=centre,gare", "k-2") }

    @Test("T-16") func t16() async throws {
        try await row("T-16", "`complete`: full form") { gateway, town in
            let found = try await pois("pois/search?complete=parking", gateway, town)
            try #require(found.compactMap { $0["id"]?.string } == ["k-1", "k-2"] && found.allSatisfy { $0["author"] != nil })
        }
    }

    @Test("T-17") func t17() async throws { try await list("T-17", "`complete`: all words", "pois/search?complete=parking,halles", "k-1") }

    @Test("T-18") func t18() async throws {
        try await row("T-18", "`minimal`, without the accent: short form") { gateway, town in
            let found = try await pois("pois/search?minimal=musee", gateway, town)
            let poi = try #require(found.first)
            try #require(found.count == 1 && poi["id"]?.string == "p-17")
            try #require(poi["location"]?["address"] == nil && poi["location"]?["relationship"] == nil)
            try #require(Self.texts(poi["link"]).map { $0["term"]?.string } == ["icon"])
            try #require(Self.texts(poi["description"]).allSatisfy { $0["type"] == nil })
        }
    }

    // MARK: Where

    @Test("T-19") func t19() async throws {
        try await list("T-19", "within 200 m", "pois/search?coords=43.6%203.2%20200", "k-1", "z-1")
    }
    @Test("T-20") func t20() async throws {
        try await list("T-20", "a plus is a space", "pois/search?coords=43.6+3.2+200", "k-1", "z-1")
    }
    @Test("T-21") func t21() async throws { try await list("T-21", "by commas", "pois/search?coords=43.6,3.2,200", "k-1", "z-1") }
    @Test("T-22") func t22() async throws {
        try await list("T-22", "within 1,000 m", "pois/search?coords=43.6%203.2%201000", "k-1", "p-17", "z-1")
    }
    @Test("T-23") func t23() async throws {
        try await list("T-23", "inside of a ground", "pois/search?coords=43.64%203.19,43.64%203.21,43.66%203.21,43.66%203.19", "k-2")
    }
    @Test("T-24") func t24() async throws {
        try await list("T-24", "two points are a box", "pois/search?coords=43.64%203.19,43.66%203.21", "k-2")
    }
    @Test("T-25") func t25() async throws {
        try await list("T-25", "a point inside of an outline", "pois/search?coords=43.598%203.198", "z-1")
    }
    @Test("T-26") func t26() async throws {
        try await refusal(
            "T-26", "what is no place: 400", 400, "pois/search?coords=abc", "pois/search?coords=95%203.2", "pois/search?coords=1,2",
            "pois/search?coords=1%202%203%204")
    }

    // MARK: Pages

    @Test("T-27") func t27() async throws { try await list("T-27", "`limit=2`", "pois/search?limit=2", "k-1", "k-2") }
    @Test("T-28") func t28() async throws {
        try await list("T-28", "`offset` is a page", "pois/search?limit=2&offset=1", "p-17", "z-1")
    }
    @Test("T-29") func t29() async throws {
        try await row("T-29", "`limit=-1`: all; `offset` then counts places") { gateway, town in
            try #require(try await pois("pois/search?limit=-1", gateway, town).count == 4)
            try #require(try await pois("pois/search?limit=-1&offset=3", gateway, town).compactMap { $0["id"]?.string } == ["z-1"])
        }
    }
    @Test("T-30") func t30() async throws {
        try await refusal("T-30", "what is no limit: 400", 400, "pois/search?limit=x", "pois/search?limit=-2", "pois/search?offset=-1")
    }
    @Test("T-31") func t31() async throws {
        try await row("T-31", "`deleted`: what is gone too, with its moment") { gateway, town in
            let found = try await pois("pois/search?deleted=true", gateway, town)
            try #require(found.count == 5 && found.filter { $0["deleted"]?.string != nil }.compactMap { $0["id"]?.string } == ["d-9"])
        }
    }
    @Test("T-32") func t32() async throws { try await list("T-32", "names in any case", "pois/search?LIMIT=1", "k-1") }
    @Test("T-33") func t33() async throws { try await list("T-33", "children", "pois/z-1/search?relation=child", "p-17") }
    @Test("T-34") func t34() async throws { try await list("T-34", "the parent", "pois/p-17/search?relation=parent", "z-1") }
    @Test("T-35") func t35() async throws {
        try await refusal("T-35", "another relation: 400", 400, "pois/p-17/search?relation=cousin", "pois/p-17/search")
    }

    // MARK: Categories, codes

    private func categories(_ path: String, _ gateway: GatewayUnderTest, _ town: CitySDKTown) async throws {
        let nodes = try #require(try await get(path, gateway, town).json()["categories"]?.array)
        try #require(nodes.compactMap { $0["id"]?.string } == ["c-park", "c-mus", "c-zone"], "\(nodes)")
        try #require(Self.texts(nodes[0]["categories"]).compactMap { $0["id"]?.string } == ["c-park-cov"])
        for node in nodes {
            for key in ["id", "term", "lang", "value"] { try #require(node[key]?.string != nil) }
            try #require(node["label"]?.array?.isEmpty == false && node["categories"]?.array != nil)
        }
    }

    @Test("T-36") func t36() async throws {
        try await row("T-36", "the tree of categories") { try await categories("categories/search?list=poi", $0, $1) }
    }
    @Test("T-37") func t37() async throws {
        try await row("T-37", "as one loader asks for it") { try await categories("categories?list=poi&limit=0&format=json", $0, $1) }
    }
    @Test("T-38") func t38() async throws {
        try await refusal("T-38", "no list, another list: 400", 400, "categories/search", "categories/search?list=hotel")
    }
    @Test("T-39") func t39() async throws {
        try await row("T-39", "by what stands on it") { gateway, town in
            let answer = try await get("search?code=QR-0017", gateway, town).json()
            try #require(answer["poi"]?.array?.compactMap { $0["id"]?.string } == ["p-17"] && answer["event"] == nil)
        }
    }
    @Test("T-40") func t40() async throws {
        try await row("T-40", "an unknown code: `{}`") { try #require(try await get("search?code=none", $0, $1).text == "{}") }
    }

    // MARK: Form

    @Test("T-41") func t41() async throws {
        try await row("T-41", "moments with three digits of a second") { gateway, town in
            for poi in try await pois("pois/search?deleted=true", gateway, town) {
                let created = try #require(poi["created"]?.string)
                try #require(created.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil, "\(created)")
            }
        }
    }
    @Test("T-42") func t42() async throws {
        try await row("T-42", "positions: latitude first, commas between") { gateway, town in
            let text = try await get("pois/search", gateway, town).text
            let lists = text.matches(of: /"posList":"([^"]*)"/).map { String($0.1) }
            try #require(lists.count >= 9)
            for list in lists {
                try #require(list.wholeMatch(of: /-?\d+(\.\d+)? -?\d+(\.\d+)?(,-?\d+(\.\d+)? -?\d+(\.\d+)?)*/) != nil, "\(list)")
                try #require(abs(Double(list.prefix { $0 != " " }) ?? 100) <= 90)
            }
        }
    }

    private func occupation(_ poi: JSON) -> String? {
        Self.texts(poi["description"]).first { $0["type"]?.string == "X-citysdk/occupation" }?["value"]?.string
    }

    @Test("T-43") func t43() async throws {
        try await row("T-43", "a parking's occupation in percent") { gateway, town in
            let city = try await gateway.city("counted", services: [])
            try await TownPlaces.publish(gateway, city)
            let poi = try await gateway.get("\(gateway.root)/\(city.tenant.key)/tourism/pois/k-1").json()
            // 80 of 212 are free.
            try #require(occupation(poi) == "62")
        }
    }
    @Test("T-44") func t44() async throws {
        try await row("T-44", "a link to the requests about it") { gateway, town in
            let poi = try await get("pois/p-17", gateway, town).json()
            let link = Self.texts(poi["link"]).first { $0["term"]?.string == "related" }?["href"]?.string
            let ids = try await gateway.get(try #require(link)).ids()
            try #require(Set(ids) == [try town.id("r-003"), try town.id("r-005")])
        }
    }
    @Test("T-45") func t45() async throws {
        try await row("T-45", "open to every origin") { gateway, town in
            let answer = try await gateway.get(town.tourism + "pois/k-1", headers: ["Origin": "https://a.example"])
            try #require(answer.header("Access-Control-Allow-Origin") != nil)
        }
    }
    @Test("T-46") func t46() async throws {
        try await row("T-46", "compressed for who accepts gzip") { gateway, town in
            let answer = try await gateway.get(town.tourism + "pois/search", headers: ["Accept-Encoding": "gzip, deflate"])
            try #require(answer.header("Content-Encoding") == "gzip")
            try #require(try Gunzip.text(answer.body) == (try await get("pois/search", gateway, town)).text)
        }
    }
    @Test("T-47") func t47() async throws {
        try await list("T-47", "UTF-8 in the address", "pois/search?category=Mus%C3%A9e", "p-17")
    }
    @Test("T-48") func t48() async throws {
        try await row("T-48", "a new count: `updated` moves, the new value is served; an old one is told as old") { gateway, town in
            let city = try await gateway.city("counting", services: [])
            try await TownPlaces.publish(gateway, city)
            let address = "\(gateway.root)/\(city.tenant.key)/tourism/pois/"
            let before = try await gateway.get(address + "k-1").json()
            let counts = try LiveCountStore(configuration: gateway.addresses.role("bus311_status"))
            let old = Timestamp.now.adding(seconds: -3_600)
            let outcomes = try await counts.record(
                [
                    GivenCount(id: try TownPlaces.id("k-1"), free: 53, countedAt: .now.adding(seconds: 1)),
                    GivenCount(id: try TownPlaces.id("k-2"), free: 7, countedAt: old),
                ], of: city.tenant.id)
            try #require(outcomes == [.stored, .stored])
            let after = try await gateway.get(address + "k-1").json()
            try #require(occupation(after) == "75")
            try #require(try #require(after["updated"]?.string) > (try #require(before["updated"]?.string)))
            let stale = try await gateway.get(address + "k-2").json()
            try #require(occupation(stale) == nil)
            try #require(Self.texts(stale["description"]).contains { $0["value"]?.string?.contains(old.iso8601) == true })
            await counts.close()
        }
    }
    @Test("T-49") func t49() async throws {
        let why = "places are written by the city's own system as reference data, never here: 405"
        try await row("T-49", "writing without a session: 401", refusedBecause: why) { gateway, town in
            let answer = try await gateway.send(
                "PUT", town.tourism + "pois/", headers: ["Content-Type": "application/json"], body: Array("{}".utf8))
            try #require(answer.status == 405 && (try answer.json())["ResponseStatus"] != nil)
        }
    }
    @Test("T-50") func t50() async throws {
        try await row("T-50", "another city's base: 404") { gateway, town in
            let other = try await gateway.city("neighbour", services: [])
            try #require(try await gateway.get("\(gateway.root)/\(other.tenant.key)/tourism/pois/k-1").status == 404)
            try #require(try await gateway.get("\(gateway.root)/nobody-000000/tourism/pois/k-1").status == 404)
        }
    }
}
