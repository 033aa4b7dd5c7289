import Logging
import Open311
import Postgres
import Storage
import TestSupport
import Testing

@Suite("A tenant as declared")
struct DeclarationTests {
    private func declared(_ jurisdictions: String...) throws -> TenantDeclaration {
        var declared = TenantDeclaration()
        declared.name = "Valmont"
        declared.jurisdictions = try jurisdictions.map { try JurisdictionID(validating: $0) }
        declared.fallbackLanguages = [.english]
        declared.contacts.manager = TenantContact(name: "Camille", email: try EmailAddress(validating: "dgs@valmont.example"))
        declared.limits.requestQueue = .init(messages: 10, bytes: nil)
        declared.limits.requestsPerMinute = 600
        declared.credentials.readsDeadLetters = true
        declared.policies.sendsPersonalData = false
        return declared
    }

    private func withStore(_ body: (AdministrationStore, TestDatabase.Addresses) async throws -> Void) async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let store = try AdministrationStore(configuration: addresses.role("bus311_admin"))
        do { try await body(store, addresses) } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    @Test("is stored whole, read again as it was, and changed in place")
    func roundTrip() async throws {
        try await withStore { store, _ in
            let key = try TenantKey(validating: "valmont-7f3a9c")
            var declared = try declared("valmont.example", "agglo.example")
            let made = try await store.apply(
                declared, to: key, boundary: .keep, catalogue: .set(try Fixtures.services()), by: "test")
            #expect(TenantDeclaration(made, contacts: try await store.contacts(of: made.id)) == declared)
            #expect(try await store.services(of: made.id) == (try Fixtures.services()))

            declared.jurisdictions.reverse()
            declared.name = "Valmont-sur-Mer"
            declared.limits = TenantLimits()
            declared.contacts = TenantContacts()
            let changed = try await store.apply(declared, to: key, boundary: .keep, catalogue: .keep, by: "test")
            let contacts = try await store.contacts(of: made.id)
            #expect(changed.id == made.id && TenantDeclaration(changed, contacts: contacts) == declared)
            #expect(try await store.services(of: made.id).count == 2, "the catalogue was not in the file")
            #expect(try await store.operatorActions(of: made.id).count == 2)
        }
    }

    @Test("is stored not at all when any part of it cannot be")
    func allOrNothing() async throws {
        try await withStore { store, _ in
            let first = try TenantKey(validating: "valmont-7f3a9c")
            _ = try await store.apply(try declared("valmont.example"), to: first, boundary: .keep, catalogue: .keep, by: "test")
            let error = await #expect(throws: StorageError.self) {
                _ = try await store.apply(
                    try declared("other.example", "valmont.example"), to: try TenantKey(validating: "other-000001"), boundary: .keep,
                    catalogue: .keep, by: "test")
            }
            #expect(error?.kind == .duplicate)
            #expect(try await store.tenants().map(\.key) == [first])

            var worse = try declared("valmont.example")
            worse.name = "Something else"
            let twice =
                try Fixtures.services() + [
                    Service(
                        code: try ServiceCode(validating: "NUL"), kind: .realtime, name: LocalizedText([.french: "a\u{0}b"]),
                        summary: LocalizedText([:]), group: LocalizedText([:]), keywords: [], attributes: [])
                ]
            await #expect(throws: StorageError.self) {
                _ = try await store.apply(worse, to: first, boundary: .keep, catalogue: .set(twice), by: "test")
            }
            let kept = try #require(try await store.tenant(first))
            #expect(kept.name == "Valmont")
            #expect(try await store.services(of: kept.id).isEmpty)
        }
    }

    @Test("once closed, its key is never given again, by a file or by hand")
    func tombstone() async throws {
        try await withStore { store, _ in
            let key = try TenantKey(validating: "valmont-7f3a9c")
            _ = try await store.apply(try declared("valmont.example"), to: key, boundary: .keep, catalogue: .keep, by: "test")
            #expect(try await store.closingMoment(of: key) == nil)
            #expect(try await store.deleteTenant(key))
            #expect(try await store.closingMoment(of: key) != nil)
            await #expect(throws: StorageError.self) {
                _ = try await store.apply(try declared("valmont.example"), to: key, boundary: .keep, catalogue: .keep, by: "test")
            }
            await #expect(throws: StorageError.self) {
                _ = try await store.createTenant(try Fixtures.newTenant("valmont-7f3a9c", jurisdiction: "valmont.example"))
            }
        }
    }

    @Test("its citizens' data can be exported once it leaves, by pages, and not before")
    func export() async throws {
        try await withStore { store, addresses in
            let tenant = try await store.createTenant(try Fixtures.newTenant("valmont-7f3a9c", jurisdiction: "valmont.example"))
            let other = try await store.createTenant(try Fixtures.newTenant("autre-000001", jurisdiction: "autre.example"))
            let recorder = try SubmissionRecorder(
                configuration: addresses.role("bus311_ingest"), origin: Fixtures.origin, logger: .init(label: "test"))
            for number in 0..<7 {
                _ = try await recorder.record(try Fixtures.submission(for: tenant, description: "n\(number)"), tenant: tenant)
                _ = try await recorder.record(try Fixtures.submission(for: other), tenant: other)
            }
            #expect(try await store.exportPage(of: tenant.id, after: .beginning).requests.isEmpty)
            #expect(try await store.exportState(of: tenant.id).requests == 0)
            try await store.beginOffboarding(of: tenant, by: "test")
            try await store.beginOffboarding(of: tenant, by: "test again")
            let before = try await store.exportState(of: tenant.id)
            #expect(before.requests == 7)
            var lines: [String] = []
            var cursor: ExportCursor? = .beginning
            while let place = cursor {
                let page = try await store.exportPage(of: tenant.id, after: place, count: 3)
                lines += page.requests
                cursor = page.next
            }
            #expect(lines.count == 7 && Set(lines).count == 7)
            #expect((0..<7).allSatisfy { number in lines.contains { $0.contains("\"n\(number)\"") } })
            #expect(!lines.joined().contains("tenant_id"))
            #expect(try await store.exportState(of: tenant.id).state == before.state)
            _ = try await recorder.record(try Fixtures.submission(for: tenant), tenant: tenant)
            #expect(try await store.exportState(of: tenant.id).state != before.state)
            #expect(try await store.exportPage(of: other.id, after: .beginning).requests.isEmpty)
            #expect(try await store.waitingEvents(of: tenant) == 8)
            await recorder.close()
        }
    }

    @Test("its credentials remember when they were issued and seen")
    func credentials() async throws {
        try await withStore { store, addresses in
            let tenant = try await store.createTenant(try Fixtures.newTenant("valmont-7f3a9c", jurisdiction: "valmont.example"))
            try await store.credentialIssued("a", of: tenant.id)
            #expect(try await store.credentials(of: tenant.id).map(\.lastSeenAt) == [nil])
            let sightings = try CredentialSightings(configuration: addresses.role("bus311_watch"))
            #expect(try await store.credentialsWatchedSince() == nil)
            let ghost = try TenantKey(validating: "ghost-000001")
            try await sightings.record([(tenant: tenant.key, slot: "a"), (tenant: tenant.key, slot: "b"), (tenant: ghost, slot: "a")])
            try await sightings.record([])
            await sightings.close()
            let records = try await store.credentials(of: tenant.id)
            #expect(records.map(\.slot) == ["a", "b"] && records.allSatisfy { $0.lastSeenAt != nil })
            #expect(records[0].issuedAt != nil && records[1].issuedAt == nil)
            #expect(try await store.credentialsWatchedSince() != nil)
            try await store.credentialIssued("a", of: tenant.id)
            #expect(try await store.credentials(of: tenant.id)[0].lastSeenAt == nil, "another password was never seen")
            try await store.credentialRevoked("b", of: tenant.id)
            #expect(try await store.credentials(of: tenant.id).map(\.slot) == ["a"])
        }
    }
}
