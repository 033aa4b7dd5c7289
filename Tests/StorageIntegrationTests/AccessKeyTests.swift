import Foundation
import Logging
import Open311
import Postgres
import Storage
import TestSupport
import Testing

@Suite("Access keys")
struct AccessKeyTests {
    private struct Office {
        let addresses: TestDatabase.Addresses
        let store: AdministrationStore
        let tenant: Tenant
        let directory: TenantDirectory

        init() async throws {
            addresses = try await TestDatabase.shared.fresh()
            store = try AdministrationStore(configuration: addresses.role("bus311_admin"))
            tenant = try await store.createTenant(try Fixtures.newTenant("valmont-7f3a9c", jurisdiction: "valmont.example"))
            directory = try TenantDirectory(configuration: addresses.role("bus311_gateway"), logger: Logger(label: "test"))
        }

        func known(_ secret: AccessSecret) async throws -> AccessKey? {
            try await directory.load()
            return directory.current.accessKey(secret.publicID, secret.kind)
        }
    }

    @Test("a key has the scopes it was made with: read and write when nobody said otherwise, none for a CRM's token")
    func scopes() async throws {
        let office = try await Office()
        let standard = try await office.store.createKey(kind: .apiKey, tenant: office.tenant.id, label: "app", expiresAt: nil)
        let narrow = try await office.store.createKey(
            kind: .apiKey, tenant: office.tenant.id, label: "DPO", scopes: [.read, .personalData], expiresAt: nil)
        let token = try await office.store.createKey(kind: .crmToken, tenant: office.tenant.id, label: "CRM", expiresAt: nil)
        #expect(try await office.known(standard)?.scopes == [.read, .write])
        #expect(try await office.known(narrow)?.mayReadPersonalData == true)
        #expect(try await office.known(token)?.scopes == [])
    }

    @Test("after a rotation both keys work until the overlap ends, and the new one has the old one's label and scopes")
    func rotation() async throws {
        let office = try await Office()
        let old = try await office.store.createKey(
            kind: .apiKey, tenant: office.tenant.id, label: "app", scopes: [.write], expiresAt: nil)
        let overlapEnd = Timestamp.now.adding(days: 7)
        let new = try #require(
            try await office.store.rotateKey(publicID: old.publicID, of: office.tenant.id, overlapEnd: overlapEnd, expiresAt: nil))
        let oldKey = try #require(try await office.known(old))
        let newKey = try #require(try await office.known(new))
        #expect(oldKey.isUsable(at: .now) && newKey.isUsable(at: .now))
        #expect(!oldKey.isUsable(at: overlapEnd) && newKey.isUsable(at: overlapEnd))
        #expect(newKey.label == "app" && newKey.scopes == [.write])
        #expect(new.matches(storedHash: newKey.secretHash) && !old.matches(storedHash: newKey.secretHash))
    }

    @Test("an overlap never lengthens a key's life, and a revoked or a foreign key cannot be rotated")
    func rotationLimits() async throws {
        let office = try await Office()
        let end = Timestamp.now.adding(days: 1)
        let ending = try await office.store.createKey(kind: .apiKey, tenant: office.tenant.id, label: "app", expiresAt: end)
        let overlapEnd = Timestamp.now.adding(days: 7)
        _ = try await office.store.rotateKey(publicID: ending.publicID, of: office.tenant.id, overlapEnd: overlapEnd, expiresAt: nil)
        #expect(try await office.known(ending)?.expiresAt == end)
        let other = try await office.store.createTenant(try Fixtures.newTenant("orbe-1b2c3d", jurisdiction: "orbe.example"))
        #expect(
            try await office.store.rotateKey(publicID: ending.publicID, of: other.id, overlapEnd: overlapEnd, expiresAt: nil) == nil)
        _ = try await office.store.revokeKey(publicID: ending.publicID, of: office.tenant.id)
        #expect(
            try await office.store.rotateKey(publicID: ending.publicID, of: office.tenant.id, overlapEnd: overlapEnd, expiresAt: nil)
                == nil)
    }

    @Test("last use is written in one batch, never goes back, and survives a key that was deleted meanwhile")
    func lastUse() async throws {
        let office = try await Office()
        let recorder = try KeyUseRecorder(configuration: office.addresses.role("bus311_gateway"), logger: Logger(label: "test"))
        let used = try await office.store.createKey(kind: .apiKey, tenant: office.tenant.id, label: "used", expiresAt: nil)
        let idle = try await office.store.createKey(kind: .apiKey, tenant: office.tenant.id, label: "idle", expiresAt: nil)
        let key = try #require(try await office.known(used))
        let ghost = AccessKey(
            publicID: "GhostKey", kind: .apiKey, tenant: office.tenant.id, label: "", secretHash: [], createdAt: .now, expiresAt: nil,
            revokedAt: nil)
        let moment = Timestamp.now
        recorder.note(key, at: moment.adding(seconds: -60))
        recorder.note(key, at: moment)
        recorder.note(ghost, at: moment)
        await recorder.flush()
        recorder.note(key, at: moment.adding(seconds: -60))
        await recorder.flush()
        let keys = try await office.store.keys(of: office.tenant.id, kind: .apiKey)
        #expect(keys.first { $0.key.publicID == used.publicID }?.lastUsedAt == moment)
        #expect(keys.first { $0.key.publicID == idle.publicID }?.lastUsedAt == nil)
        #expect(keys.count == 2)
    }

    @Test("what a test endpoint took is seen there and nowhere else, and no CRM hears of it")
    func testEndpointIsApart() async throws {
        let office = try await Office()
        try await office.store.setCatalogue(try Fixtures.services(), of: office.tenant.id)
        let recorder = try SubmissionRecorder(
            configuration: office.addresses.role("bus311_ingest"), origin: Fixtures.origin, logger: Logger(label: "test"))
        let reader = try ServiceRequestReader(configuration: office.addresses.role("bus311_gateway"), connections: 1)
        let tried = office.tenant.testEndpoint
        let test = try await recorder.record(try Fixtures.submission(for: tried), tenant: tried).id
        let real = try await recorder.record(try Fixtures.submission(for: office.tenant), tenant: office.tenant).id
        #expect(try await reader.find([test, real], of: tried.id).map(\.id) == [test])
        #expect(try await reader.find([test, real], of: office.tenant.id).map(\.id) == [real])
        let owner = try PostgresConnection(configuration: office.addresses.owner)
        let published = try await owner.run { (session) throws(PostgresError) in
            try session.execute(Statement("published", "select request_id from outbox")).map { (row) throws(PostgresError) in
                try row.int64(0)
            }
        }
        #expect(published == [real.rawValue])
        await owner.close()
    }
}
