import Open311
import Postgres
import Storage
import TestSupport
import Testing

@Suite("Reference documents")
struct ReferenceStoreTests {
    private struct Office {
        let store: ReferenceStore
        let watch: ReferenceStore
        let administration: AdministrationStore
        let owner: PostgresConfiguration
        let tenant: Tenant
        let other: Tenant
    }

    private func withOffice(_ body: (Office) async throws -> Void) async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let administration = try AdministrationStore(configuration: addresses.role("bus311_admin"))
        func tenant(_ key: String) async throws -> Tenant {
            try await administration.createTenant(
                NewTenant(
                    key: try TenantKey(validating: key), name: key, jurisdictions: [try JurisdictionID(validating: key + ".example")],
                    language: .french, timeZone: "Europe/Paris", virtualHost: "open311", contact: "-", keyService: "-"))
        }
        let office = Office(
            store: try ReferenceStore(configuration: addresses.role("bus311_status")),
            watch: try ReferenceStore(configuration: addresses.role("bus311_watch")), administration: administration,
            owner: addresses.owner, tenant: try await tenant("valmont-7f3a9c"), other: try await tenant("other-000001"))
        do { try await body(office) } catch {
            await close(office)
            throw error
        }
        await close(office)
    }

    private func close(_ office: Office) async {
        await office.store.close()
        await office.watch.close()
        await office.administration.close()
    }

    private func catalogue(_ services: [Service]) -> NewReference {
        NewReference(kind: .catalogue, body: CatalogueRules.document(services).canonicalBytes, author: "test")
    }

    @Test("a tenant whose documents wait takes half of the connections; the other's are read meanwhile, and nothing is lost")
    func shares() async throws {
        try await withOffice { office in
            let store = try ReferenceStore(configuration: office.owner, connections: 4)
            let (tenant, other) = (office.tenant.id, office.other.id)
            _ = try await store.put(places("[0]"), of: other)
            let blocker = try PostgresConnection(configuration: office.owner)
            try await blocker.run { (session) throws(PostgresError) in
                try session.script("begin; select pg_advisory_xact_lock(3113, \(tenant.rawValue))")
            }
            let writing = Task {
                await withTaskGroup(of: Bool.self) { group in
                    for number in 1...8 { group.addTask { (try? await store.put(places("[\(number)]"), of: tenant)) != nil } }
                    return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
                }
            }
            let waiters = """
                select count(*) from pg_locks where locktype = 'advisory' and classid = 3113 and objid = \(tenant.rawValue) and not granted
                  and database = (select oid from pg_database where datname = current_database())
                """
            // Both of its connections wait in the database.
            var waiting: Int64 = 0
            for _ in 0..<200 where waiting < 2 {
                waiting = try await blocker.run { (session) throws(PostgresError) in
                    try session.execute(Statement("waiting", waiters)).first?.int64(0) ?? 0
                }
                if waiting < 2 { try await Task.sleep(for: .milliseconds(20)) }
            }
            #expect(waiting == 2)
            for _ in 0..<8 { #expect(try await store.live(.placeCategories, of: other)?.version.number == 1) }
            #expect(try await store.tenant(other)?.key == office.other.key)
            try await blocker.run { (session) throws(PostgresError) in
                let still = try session.execute(Statement("still", waiters))
                #expect(try still.first?.int64(0) == 2, "and no more than two")
                try session.script("commit")
            }
            #expect(await writing.value == 8)
            #expect(try await store.live(.placeCategories, of: tenant)?.version.number == 8)
            await blocker.close()
            await store.close()
        }
    }

    private func places(_ text: String) -> NewReference {
        NewReference(kind: .placeCategories, body: Array(text.utf8), author: "test", note: "why")
    }

    @Test("versions count up, one is live, the same again makes none, and a former one comes back under a new number")
    func versions() async throws {
        try await withOffice { office in
            let (store, tenant) = (office.store, office.tenant.id)
            #expect(try await store.live(.placeCategories, of: tenant) == nil)
            #expect(try await store.put(places("[1]"), of: tenant) == ReferenceChange(outcome: .published, number: 1))
            #expect(try await store.put(places(" [ 1 ] "), of: tenant) == ReferenceChange(outcome: .unchanged, number: 1))
            #expect(try await store.put(places("[2]"), of: tenant) == ReferenceChange(outcome: .published, number: 2))
            let live = try #require(try await store.live(.placeCategories, of: tenant))
            #expect(live.version.number == 2 && live.body == Array("[2]".utf8) && live.version.state == .published)
            #expect(live.version.author == "test" && live.version.note == "why" && live.version.base == 1)
            #expect(try await store.put(places("[3]"), at: .never, of: tenant) == ReferenceChange(outcome: .draft, number: 3))
            #expect(try await store.rollBack(.placeCategories, to: 1, by: "me", of: tenant).number == 4)
            let all = try await store.versions(.placeCategories, of: tenant)
            #expect(all.map(\.number) == [4, 3, 2, 1] && all.map(\.state) == [.published, .draft, .superseded, .superseded])
            #expect(all.first?.hash == all.last?.hash, "the same words")
            #expect(try await store.versions(.placeCategories, of: tenant, below: 3, limit: 1).map(\.number) == [2])
            #expect(try await store.publish(.placeCategories, 3, of: tenant) == ReferenceChange(outcome: .published, number: 3))
            #expect(try await store.document(.placeCategories, 4, of: tenant)?.version.state == .superseded)
        }
    }

    @Test("who knows another version than the live one changes nothing; nor does who names none")
    func refusals() async throws {
        try await withOffice { office in
            let (store, tenant) = (office.store, office.tenant.id)
            func refusal(_ body: () async throws(ReferenceRefusal) -> ReferenceChange) async -> ReferenceRefusal? {
                do { _ = try await body() } catch { return error }
                return nil
            }
            _ = try await store.put(places("[1]"), expecting: 0, of: tenant)
            _ = try await store.put(places("[2]"), expecting: 1, of: tenant)
            #expect(
                await refusal { () throws(ReferenceRefusal) in try await store.put(places("[3]"), expecting: 1, of: tenant) }
                    == .stale(live: 2))
            #expect(
                await refusal { () throws(ReferenceRefusal) in try await store.put(places("[3]"), expecting: 0, of: tenant) }
                    == .stale(live: 2))
            #expect(
                await refusal { () throws(ReferenceRefusal) in try await store.publish(.placeCategories, 1, of: tenant) } == .superseded)
            #expect(
                await refusal { () throws(ReferenceRefusal) in try await store.publish(.placeCategories, 9, of: tenant) }
                    == .unknownVersion)
            #expect(
                await refusal { () throws(ReferenceRefusal) in try await store.rollBack(.placeCategories, to: 9, by: "me", of: tenant) }
                    == .unknownVersion)
            #expect(try await store.versions(.placeCategories, of: tenant).count == 2)
        }
    }

    @Test("a tenant sees and changes its own only")
    func sealedOff() async throws {
        try await withOffice { office in
            _ = try await office.store.put(places("[1]"), of: office.tenant.id)
            #expect(try await office.store.live(.placeCategories, of: office.other.id) == nil)
            #expect(try await office.store.put(places("[2]"), of: office.other.id).number == 1)
            #expect(try await office.store.live(.placeCategories, of: office.tenant.id)?.body == Array("[1]".utf8))
            let connection = try PostgresConnection(configuration: office.owner)
            let seen = try await connection.run { (session) throws(PostgresError) in
                try session.script("set role bus311_status; set bus311.tenant = '\(office.other.id.rawValue)'")
                return try session.execute(Statement("seen", "select count(*) from reference_documents")).first?.int64(0)
            }
            #expect(seen == 1)
            await connection.close()
        }
    }

    @Test("services that a new catalogue lacks are retired and keep their row; rolling back brings them back as they were")
    func catalogues() async throws {
        try await withOffice { office in
            let (store, tenant) = (office.store, office.tenant.id)
            let services = try Fixtures.services()
            _ = try await store.put(catalogue(services), of: tenant)
            #expect(try await office.administration.services(of: tenant) == services)
            _ = try await store.put(catalogue(Array(services.dropFirst())), of: tenant)
            #expect(try await office.administration.services(of: tenant) == Array(services.dropFirst()))
            _ = try await store.rollBack(.catalogue, to: 1, by: "me", of: tenant)
            #expect(try await office.administration.services(of: tenant) == services)
            let stored = try #require(try await store.live(.catalogue, of: tenant))
            let (read, advice) = try CatalogueRules.services(try JSONReader.value(stored.body), languages: [.french, .english])
            #expect(read == services && advice.isEmpty && stored.version.number == 3)
        }
    }

    @Test("a boundary is a version too, whichever door it came through")
    func boundaries() async throws {
        try await withOffice { office in
            let square = #"{"type":"Polygon","coordinates":[[[3,43],[4,43],[4,44],[3,44],[3,43]]]}"#
            let boundary = try BoundaryJSON.boundary(Array(square.utf8))
            #expect(try await office.administration.setPolicies(TenantPolicies(boundary: boundary), of: office.tenant.id, by: "me"))
            let live = try #require(try await office.store.live(.boundary, of: office.tenant.id))
            #expect(live.version.author == "me" && live.version.number == 1)
            #expect(try await office.administration.tenant(office.tenant.key)?.policies.boundary == boundary)
            #expect(try await office.administration.setPolicies(TenantPolicies(boundary: boundary), of: office.tenant.id, by: "me"))
            #expect(try await office.administration.setPolicies(TenantPolicies(), of: office.tenant.id, by: "me"))
            #expect(try await office.administration.tenant(office.tenant.key)?.policies.boundary == nil)
            #expect(try await office.store.versions(.boundary, of: office.tenant.id).map(\.number) == [2, 1])
        }
    }

    @Test("a version whose moment has come is published once, however many look; one that cannot be is a draft again")
    func due() async throws {
        try await withOffice { office in
            let (store, tenant) = (office.store, office.tenant.id)
            for number in 1...5 { _ = try await store.put(places("[\(number)]"), at: .at(.now.adding(seconds: 3_600)), of: tenant) }
            #expect(try await store.live(.placeCategories, of: tenant) == nil)
            #expect(try await office.watch.publishDue() == [])
            #expect(try #require(try await office.watch.nextDue()) > .now)
            // No array: the catalogue's own function cannot take it.
            _ = try await store.put(
                NewReference(kind: .catalogue, body: Array("{}".utf8), author: "test"), at: .at(.now.adding(seconds: 3_600)), of: tenant)
            let connection = try PostgresConnection(configuration: office.owner)
            try await connection.run { (session) throws(PostgresError) in
                try session.script("update reference_documents set publish_at = now() - interval '1 minute' + number * interval '1 second'")
            }
            let second = try ReferenceStore(configuration: office.owner)
            var published: [DuePublication] = []
            for _ in 0..<20 where published.count < 5 {
                async let one = office.watch.publishDue()
                async let other = second.publishDue()
                published += try await one + other
            }
            #expect(published.map(\.number).sorted() == [1, 2, 3, 4, 5])
            #expect(try await store.live(.placeCategories, of: tenant)?.version.number == 5)
            let broken = try #require(try await store.document(.catalogue, 1, of: tenant)).version
            #expect(broken.state == .draft && broken.note?.hasPrefix("not published: ") == true)
            await second.close()
            await connection.close()
        }
    }

    @Test("many who publish at once: every number once, one live, and what is live is what its number says")
    func race() async throws {
        try await withOffice { office in
            let tenant = office.tenant.id
            let services = try Fixtures.services()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<24 {
                    group.addTask {
                        var own = services
                        own[0].name = LocalizedText([.french: "Nom \(index)"])
                        if index % 3 == 0 {
                            try await office.administration.setCatalogue(own, of: tenant)
                        } else if index % 3 == 1 {
                            _ = try await office.administration.setPolicies(TenantPolicies(sendsPersonalData: index % 2 == 0), of: tenant)
                        } else {
                            _ = try await office.store.put(self.catalogue(own), of: tenant)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let all = try await office.store.versions(.catalogue, of: tenant)
            #expect(all.map(\.number) == Array((1...16).reversed()) && all.count { $0.state == .published } == 1)
            let live = try #require(try await office.store.live(.catalogue, of: tenant))
            let told = try CatalogueRules.services(try JSONReader.value(live.body), languages: []).services
            #expect(try await office.administration.services(of: tenant) == told)
        }
    }
}
