import Foundation
import Logging
import Open311
import Postgres
import Storage
import TestSupport
import Testing

/// Everything a test needs to store and read for one city.
struct City {
    let addresses: TestDatabase.Addresses
    let tenant: Tenant
    let recorder: SubmissionRecorder
    let reader: ServiceRequestReader
    let updates: StatusUpdateStore

    init(_ addresses: TestDatabase.Addresses, key: String, jurisdiction: String) async throws {
        self.addresses = addresses
        let administration = try AdministrationStore(configuration: addresses.role("bus311_admin"))
        tenant = try await administration.createTenant(try Fixtures.newTenant(key, jurisdiction: jurisdiction))
        try await administration.setCatalogue(try Fixtures.services(), of: tenant.id)
        await administration.close()
        recorder = try SubmissionRecorder(
            configuration: addresses.role("bus311_ingest"), origin: Fixtures.origin, logger: Logger(label: "test"))
        reader = try ServiceRequestReader(configuration: addresses.role("bus311_gateway"), connections: 2)
        updates = try StatusUpdateStore(configuration: addresses.role("bus311_status"), connections: 2)
    }
}

private func reference(_ key: String, _ description: String) throws -> ClientReference {
    let apiKey = AccessKey(
        publicID: "AAAAAAAA", kind: .apiKey, tenant: TenantID(1), label: "app", secretHash: [], createdAt: .now, expiresAt: nil,
        revokedAt: nil)
    return try ClientReference(key: key, apiKey: apiKey.publicID, fields: FormFields([(name: "description", value: description)]))
}

private func update(_ id: String, _ status: String?, at moment: Timestamp, notes: String? = nil) throws -> StatusUpdate {
    StatusUpdate(
        id: id, occurredAt: moment, status: try status.map { try StatusUpdate.RequestedStatus(validating: $0) }, statusNotes: notes,
        agencyResponsible: nil, expectedAt: nil, serviceNotice: nil, externalReference: nil)
}

@Suite("Stored submissions")
struct SubmissionStorageTests {
    @Test("a stored submission is read back by its own tenant and by no other")
    func isReadBackByItsTenant() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let own = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        let other = try await City(addresses, key: "orbe-1b2c3d", jurisdiction: "orbe.example")
        let stored = try await own.recorder.record(
            try Fixtures.submission(
                for: own.tenant, description: "Un trou \u{1F573} & <b>",
                reporter: Reporter(
                    firstName: "Ada", lastName: nil, email: "ada@mail.example", phone: nil, accountID: nil, deviceID: nil)),
            tenant: own.tenant)
        let read = try #require(try await own.reader.find([stored.id], of: own.tenant.id).first)
        #expect(read.description == "Un trou \u{1F573} & <b>")
        #expect(read.status == DetailedStatus(.received))
        #expect(read.location.coordinate == Coordinate(latitude: 43.6, longitude: 3.2))
        #expect(read.mediaURLs == ["https://img.example/a.jpg"])
        #expect(try await other.reader.find([stored.id], of: other.tenant.id).isEmpty)
        let filter = ServiceRequestFilter(requestedFrom: Timestamp.now.adding(days: -1), requestedTo: .now)
        #expect(try await own.reader.search(filter, of: own.tenant.id).requests.map(\.id) == [stored.id])
        #expect(try await other.reader.search(filter, of: other.tenant.id).requests.isEmpty)
    }

    @Test("two hundred submissions at once get two hundred ids, and each has its event")
    func manyAtOnce() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        let submission = try Fixtures.submission(for: city.tenant)
        let ids = try await withThrowingTaskGroup(of: ServiceRequestID.self) { group in
            for _ in 0..<200 { group.addTask { try await city.recorder.record(submission, tenant: city.tenant).id } }
            return try await group.reduce(into: Set<ServiceRequestID>()) { $0.insert($1) }
        }
        #expect(ids.count == 200)
        let outbox = try OutboxStore(configuration: addresses.role("bus311_relay"))
        let leadership = try #require(try await outbox.lead(city.tenant.shard))
        #expect(try await outbox.lead(city.tenant.shard) == nil, "a shard has one leader")
        let pending = try await leadership.pending(after: 0, limit: 1_000, excludingTenants: [])
        #expect(Set(pending.compactMap(\.requestID)) == ids)
        #expect(pending.map(\.seq) == pending.map(\.seq).sorted())
        try await leadership.confirm(pending.map { Settlement(seq: $0.seq, publishedAt: .now, body: $0.body) })
        #expect(try await leadership.pending(after: 0, limit: 10, excludingTenants: []).isEmpty)
        await leadership.release()
    }

    @Test("a row that the database refuses fails alone; its neighbours are stored")
    func badRowFailsAlone() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        let good = try Fixtures.submission(for: city.tenant)
        // PostgreSQL has no zero byte in text: the validator takes it out, so only a bug would send it.
        let bad = try Fixtures.submission(for: city.tenant, description: "zero \u{0} byte")
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<40 {
                group.addTask { (try? await city.recorder.record(index == 7 ? bad : good, tenant: city.tenant)) != nil }
            }
            return await group.reduce(into: [Bool]()) { $0.append($1) }
        }
        #expect(outcomes.filter { $0 }.count == 39)
    }

    @Test("the same reference and content give the same id, at once or later; other content is a conflict")
    func repetitionIsRecognised() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        let first = try Fixtures.submission(for: city.tenant, reference: try reference("r-1", "a"))
        let ids = try await withThrowingTaskGroup(of: ServiceRequestID.self) { group in
            for _ in 0..<20 { group.addTask { try await city.recorder.record(first, tenant: city.tenant).id } }
            return try await group.reduce(into: Set<ServiceRequestID>()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
        let later = try await city.recorder.record(first, tenant: city.tenant)
        #expect(later.isRepetition && ids.contains(later.id))
        let other = try Fixtures.submission(for: city.tenant, reference: try reference("r-1", "b"))
        await #expect(throws: StorageError.self) { try await city.recorder.record(other, tenant: city.tenant) }
        let filter = ServiceRequestFilter(requestedFrom: Timestamp.now.adding(days: -1), requestedTo: .now)
        #expect(try await city.reader.search(filter, of: city.tenant.id).requests.count == 1)
    }

    @Test("row-level security shows nothing without the tenant's setting, and the insert role can only insert")
    func rolesAreNarrow() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        _ = try await city.recorder.record(try Fixtures.submission(for: city.tenant), tenant: city.tenant)
        let count = Statement("count", "select count(*) from service_requests")
        let gateway = try PostgresConnection(configuration: addresses.role("bus311_gateway"))
        let seen = try await gateway.run { (session) throws(PostgresError) in try session.execute(count).first?.int64(0) }
        #expect(seen == 0)
        let ingest = try PostgresConnection(configuration: addresses.role("bus311_ingest"))
        await #expect(throws: PostgresError.self) {
            try await ingest.run { (session) throws(PostgresError) in _ = try session.execute(count) }
        }
        let bodies = Statement("bodies", "select count(body) from outbox")
        await #expect(throws: PostgresError.self) {
            try await ingest.run { (session) throws(PostgresError) in _ = try session.execute(bodies) }
        }
        let reporters = Statement("reporters", "select count(*) from reporters")
        await #expect(throws: PostgresError.self) {
            try await gateway.run { (session) throws(PostgresError) in _ = try session.execute(reporters) }
        }
        await gateway.close()
        await ingest.close()
    }
}

@Suite("Status updates")
struct StatusStorageTests {
    @Test("an update shows at once; its repetition changes nothing; the same id with other content is refused")
    func idempotent() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        let id = try await city.recorder.record(try Fixtures.submission(for: city.tenant), tenant: city.tenant).id
        let moment = Timestamp.now
        let closing = try update("u-1", "closed", at: moment, notes: "Réparé")
        #expect(try await city.updates.apply(closing, to: id, of: city.tenant.id).outcome == .applied)
        let read = try #require(try await city.reader.find([id], of: city.tenant.id).first)
        #expect(read.status.publicStatus == .closed)
        #expect(read.statusNotes == "Réparé")
        #expect(read.updatedAt == moment)
        #expect(try await city.updates.apply(closing, to: id, of: city.tenant.id).outcome == .repeated)
        await #expect(throws: StatusUpdateRefusal.self) {
            try await city.updates.apply(try update("u-1", "open", at: moment), to: id, of: city.tenant.id)
        }
    }

    @Test("an older update never overwrites a newer one")
    func olderNeverOverwrites() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        let id = try await city.recorder.record(try Fixtures.submission(for: city.tenant), tenant: city.tenant).id
        let now = Timestamp.now
        _ = try await city.updates.apply(try update("u-2", "PROCESSED", at: now, notes: "nouveau"), to: id, of: city.tenant.id)
        let late = try await city.updates.apply(
            try update("u-1", "IN_PROCESS", at: now.adding(seconds: -60), notes: "vieux"), to: id, of: city.tenant.id)
        #expect(late.outcome == .superseded)
        #expect(try await city.reader.find([id], of: city.tenant.id).first?.statusNotes == "nouveau")
    }

    @Test("an illegal move is refused, and another tenant's request does not exist")
    func refusals() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        let other = try await City(addresses, key: "orbe-1b2c3d", jurisdiction: "orbe.example")
        let id = try await city.recorder.record(try Fixtures.submission(for: city.tenant), tenant: city.tenant).id
        let now = Timestamp.now
        _ = try await city.updates.apply(try update("u-1", "ARCHIVED", at: now), to: id, of: city.tenant.id)
        do {
            _ = try await city.updates.apply(try update("u-2", "open", at: now.adding(seconds: 1)), to: id, of: city.tenant.id)
            Issue.record("an archived request was reopened")
        } catch StatusUpdateRefusal.illegalTransition(let illegal) {
            #expect(illegal.from == .archived)
        }
        do {
            _ = try await other.updates.apply(try update("u-3", "closed", at: now), to: id, of: other.tenant.id)
            Issue.record("a status for another tenant's request was accepted")
        } catch StatusUpdateRefusal.unknownRequest {}
    }
}
