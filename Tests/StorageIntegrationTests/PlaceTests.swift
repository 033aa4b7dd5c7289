import Foundation
import Open311
import Postgres
import Storage
import TestSupport
import Testing

/// Places of two cities, published as reference data are.
private struct Published {
    let owner: PostgresConnection
    let store: PlaceStore
    let counts: LiveCountStore
    let own: TenantID
    let other: TenantID
    let addresses: TestDatabase.Addresses

    init() async throws {
        addresses = try await TestDatabase.shared.fresh()
        let administration = try AdministrationStore(configuration: addresses.role("bus311_admin"))
        own = try await administration.createTenant(try Fixtures.newTenant("own-7f3a9c", jurisdiction: "own.example")).id
        other = try await administration.createTenant(try Fixtures.newTenant("other-7f3a9d", jurisdiction: "other.example")).id
        owner = try PostgresConnection(configuration: addresses.owner)
        store = try PlaceStore(configuration: addresses.role("bus311_gateway"))
        counts = try LiveCountStore(configuration: addresses.role("bus311_status"))
    }

    func publish(_ kind: String, _ places: [Place], _ version: Int32, _ tenant: TenantID) async throws {
        let statement = Statement("publish_\(kind)", "select bus311_project_\(kind)($1::integer, $2::integer, $3::jsonb)")
        let body = JSONValue.array(places.map(PlaceDocument.value)).canonicalBytes
        try await owner.run { (session) throws(PostgresError) in
            _ = try session.execute(statement, [.int32(tenant.rawValue), .int32(version), .json(body)])
        }
    }

    func ids(_ filter: PlaceFilter, _ tenant: TenantID) async throws -> [String] {
        try await store.search(filter, of: tenant).places.map(\.place.id.rawValue)
    }

    func close() async {
        await owner.close()
        await store.close()
        await counts.close()
    }
}

private func place(_ id: String, _ latitude: Double, _ longitude: Double, name: String = "Lampadaire") throws -> Place {
    Place(
        id: try #require(PlaceID(id)), name: LocalizedText([.french: name]), category: "lamp",
        position: try #require(Coordinate(latitude: latitude, longitude: longitude)))
}

@Suite("Places")
struct PlaceTests {
    @Test("what a POST asks of a place does not wait for searches that hang")
    func lookUpsPass() async throws {
        let city = try await Published()
        try await city.publish("service_objects", [try place("l-1", 43.6, 3.2)], 1, city.own)
        try await city.owner.run { (session) throws(PostgresError) in
            try session.script("begin; lock table place_categories in access exclusive mode")
        }
        let searches = Task {
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<4 { group.addTask { (try? await city.store.categories(of: city.own)) != nil } }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
        }
        try await Task.sleep(for: .milliseconds(100))
        #expect(try await city.store.find(try #require(PlaceID("l-1")), of: city.own) != nil)
        try await city.owner.run { (session) throws(PostgresError) in try session.script("commit") }
        #expect(await searches.value == 4)
        await city.close()
    }

    @Test("a search near a place finds what a look at every place finds, nearest first, page by page")
    func searchesAgree() async throws {
        let city = try await Published()
        var all: [Place] = []
        for number in 0..<1_500 {
            all.append(
                try place(
                    "l-\(number)", 43.55 + Double(number * 7_919 % 10_007) / 100_070, 3.15 + Double(number * 104_729 % 10_007) / 100_070))
        }
        try await city.publish("service_objects", all, 1, city.own)
        try await city.publish("service_objects", all.map { $0 }, 1, city.other)
        for _ in 0..<40 {
            let centre = try #require(
                Coordinate(latitude: Double.random(in: 43.54...43.66), longitude: Double.random(in: 3.14...3.26)))
            let radius = [0, 120, 700, 3_000, 90_000].randomElement() ?? 700
            var filter = PlaceFilter()
            filter.circle = SearchCircle(centre: centre, radius: Double(radius))
            filter.origin = centre
            filter.limit = 50
            let within = all.filter { centre.distance(to: $0.position) <= Double(radius) }
            let expected = within.sorted { (centre.distance(to: $0.position), $0.id) < (centre.distance(to: $1.position), $1.id) }
            let first = try await city.store.search(filter, of: city.own)
            #expect(first.count == within.count, "\(centre) \(radius)")
            #expect(first.places.allSatisfy { abs(($0.metres ?? -1) - centre.distance(to: $0.place.position)) < 0.001 })
            if expected.count <= 50 { #expect(first.places.map(\.place.id) == expected.map(\.id)) }
            filter.offset = 50
            let second = try await city.store.search(filter, of: city.own)
            #expect(Set(first.places.map(\.place.id)).isDisjoint(with: second.places.map(\.place.id)))
            var box = PlaceFilter()
            let ground = BoundingBox(
                south: centre.latitude, west: centre.longitude, north: centre.latitude + 0.01, east: centre.longitude + 0.02)
            box.ground = ground.corners
            #expect(try await city.ids(box, city.own) == all.filter { ground.contains($0.position) }.map(\.id).sorted().map(\.rawValue))
        }
        await city.close()
    }

    @Test("what a new version leaves out is retired and can be found; unchanged places keep their moment; back again is there again")
    func retirement() async throws {
        let city = try await Published()
        let (a, b) = (try place("a", 43.6, 3.2), try place("b", 43.6, 3.2))
        try await city.publish("facilities", [a, b], 1, city.own)
        let before = try #require(try await city.store.find(a.id, of: city.own))
        try await city.publish("facilities", [a], 2, city.own)
        #expect(try await city.ids(PlaceFilter(), city.own) == ["a"])
        var all = PlaceFilter()
        all.includesRetired = true
        #expect(try await city.ids(all, city.own) == ["a", "b"])
        #expect(try await city.store.find(b.id, of: city.own)?.retiredAt != nil)
        #expect(try await city.store.find(a.id, of: city.own)?.updatedAt == before.updatedAt)
        try await city.publish("facilities", [a, b], 3, city.own)
        #expect(try await city.store.find(b.id, of: city.own)?.retiredAt == nil)
        await city.close()
    }

    @Test("an id that another kind has stops the publication, and nothing of it is there")
    func idsAreOfOneKind() async throws {
        let city = try await Published()
        try await city.publish("facilities", [try place("a", 43.6, 3.2)], 1, city.own)
        await #expect(throws: PostgresError.self) {
            try await city.publish("parkings", [try place("b", 43.6, 3.2), try place("a", 43.6, 3.2)], 1, city.own)
        }
        #expect(try await city.ids(PlaceFilter(), city.own) == ["a"])
        // Another city has ids of its own.
        try await city.publish("parkings", [try place("a", 43.6, 3.2)], 1, city.other)
        #expect(try await city.store.find(try #require(PlaceID("a")), of: city.other)?.kind == .parking)
        await city.close()
    }

    @Test("a newer count wins, an older one does not; unknown and impossible ones are told; no city counts for another")
    func liveCounts() async throws {
        let city = try await Published()
        var parking = try place("k-1", 43.6, 3.2)
        parking.capacity = 100
        try await city.publish("parkings", [parking], 1, city.own)
        try await city.publish("facilities", [try place("hall", 43.6, 3.2)], 1, city.own)
        let now = Timestamp.now
        func count(_ id: String, _ free: Int, _ moment: Timestamp) throws -> GivenCount {
            GivenCount(id: try #require(PlaceID(id)), free: free, countedAt: moment)
        }
        let outcomes = try await city.counts.record(
            [try count("k-1", 40, now), try count("nope", 1, now), try count("hall", 1, now)], of: city.own)
        #expect(outcomes == [.stored, .unknown, .unknown])
        #expect(try await city.counts.record([try count("k-1", 41, now.adding(seconds: -60))], of: city.own) == [.superseded])
        #expect(try await city.counts.record([try count("k-1", 40, now)], of: city.own) == [.stored], "a repetition is no fault")
        #expect(try await city.counts.record([try count("k-1", 101, now.adding(seconds: 5))], of: city.own) == [.beyondCapacity(100)])
        #expect(try await city.counts.record([try count("k-1", 1, now.adding(seconds: 9))], of: city.other) == [.unknown])
        let known = try #require(try await city.store.find(parking.id, of: city.own))
        #expect(known.count?.free == 40 && known.occupation(at: now) == 60)
        #expect(known.isStale(at: now.adding(seconds: 901)) && !known.isStale(at: now.adding(seconds: 899)))
        #expect(known.occupation(at: now.adding(seconds: 901)) == nil)
        #expect(try await city.counts.current(of: city.own).map(\.id) == ["k-1"])
        #expect(try await city.counts.current(of: city.other).isEmpty)
        await city.close()
    }

    @Test("no city sees another's places, whatever it asks")
    func isolation() async throws {
        let city = try await Published()
        try await city.publish("points_of_interest", [try place("mine", 43.6, 3.2)], 1, city.own)
        var everywhere = PlaceFilter()
        everywhere.includesRetired = true
        everywhere.circle = SearchCircle(centre: try #require(Coordinate(latitude: 43.6, longitude: 3.2)), radius: 50_000)
        #expect(try await city.ids(everywhere, city.own) == ["mine"])
        #expect(try await city.ids(everywhere, city.other) == [])
        #expect(try await city.store.find(try #require(PlaceID("mine")), of: city.other) == nil)
        #expect(try await city.store.categories(of: city.other).used.isEmpty)
        // Row-level security, whatever a statement forgot.
        for role in ["bus311_gateway", "bus311_status"] {
            let connection = try PostgresConnection(configuration: city.addresses.role(role))
            for table in ["places", "place_cells", "place_collections", "place_categories", "place_counts"] {
                let seen = try await connection.run { [other = city.other] (session) throws(PostgresError) in
                    try session.script("set bus311.tenant = \(other.rawValue)")
                    return try session.execute(Statement("seen_\(table)", "select count(*) from \(table)")).first?.int64(0)
                }
                #expect(seen == 0, "\(role) sees another tenant's \(table)")
            }
            await connection.close()
        }
        // Its test endpoint shows what production shows.
        #expect(try await city.ids(everywhere, city.own.test) == ["mine"])
        await city.close()
    }

    @Test("names are found without accents and case, in the database as in the program")
    func folding() async throws {
        let city = try await Published()
        let names = ["Musée Zola", "ÉCOLE Élémentaire", "Œuvre", "Straße", "Ángel", "100 % bio_logique"]
        try await city.publish(
            "facilities", try names.enumerated().map { try place("n-\($0)", 43.6, 3.2, name: $1) }, 1, city.own)
        for (index, name) in names.enumerated() {
            var filter = PlaceFilter()
            filter.words = [SearchWords.folded(name)]
            #expect(try await city.ids(filter, city.own) == ["n-\(index)"], "\(name)")
        }
        var percent = PlaceFilter()
        percent.words = ["%"]
        #expect(try await city.ids(percent, city.own) == ["n-5"])
        await city.close()
    }
}
