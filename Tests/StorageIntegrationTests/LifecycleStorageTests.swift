import Open311
import Postgres
import Storage
import TestSupport
import Testing

@Suite("Lifecycles in the database")
struct LifecycleStorageTests {
    private let addresses: TestDatabase.Addresses
    private let city: City

    init() async throws {
        addresses = try await TestDatabase.shared.fresh()
        city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
    }

    private func request(_ city: City? = nil) async throws -> ServiceRequestID {
        let city = city ?? self.city
        return try await city.recorder.record(try Fixtures.submission(for: city.tenant), tenant: city.tenant).id
    }

    private func update(_ id: String, _ status: String?, at moment: Timestamp = .now, reference: String? = nil) throws -> StatusUpdate {
        StatusUpdate(
            id: id, occurredAt: moment, status: try status.map { try StatusUpdate.RequestedStatus(validating: $0) }, statusNotes: nil,
            agencyResponsible: nil, expectedAt: nil, serviceNotice: nil, externalReference: reference)
    }

    @Test("updates of many tenants that come together share transactions, and none sees another's request")
    func tenantsTogether() async throws {
        let other = try await City(addresses, key: "orbe-1b2c3d", jurisdiction: "orbe.example")
        var requests: [(city: City, id: ServiceRequestID)] = []
        for number in 0..<40 {
            let owner = number % 2 == 0 ? city : other
            requests.append((owner, try await request(owner)))
        }
        let shared = city.updates
        let outcomes = await withTaskGroup(of: Bool.self) { group in
            for (number, one) in requests.enumerated() {
                group.addTask {
                    // Every fourth tries the other city's.
                    let tenant = number % 4 == 3 ? city.tenant.id : one.city.tenant.id
                    return (try? await shared.apply(try update("u", "closed"), to: one.id, of: tenant).outcome) == .applied
                }
            }
            return await group.reduce(into: [Bool]()) { $0.append($1) }
        }
        #expect(outcomes.count { $0 } == 30)
        let found = try await other.reader.find(requests.filter { $0.city.tenant.id == other.tenant.id }.map(\.id), of: other.tenant.id)
        #expect(found.count { $0.status.publicStatus == .closed } == 10)
    }

    @Test("what the database refuses fails alone, its neighbours are applied")
    func failsAlone() async throws {
        let (good, bad) = (try await request(), try await request())
        // The reader of bodies takes zero bytes out, so only a bug would send one.
        let updates = [
            AddressedUpdate(try update("u", "closed"), to: .number(good)),
            AddressedUpdate(try update("u-\u{0}", "closed"), to: .number(bad)),
            AddressedUpdate(try update("v", "open", at: Timestamp.now.adding(seconds: 1)), to: .number(good)),
        ]
        let outcomes = try await city.updates.apply(updates, of: city.tenant.id)
        #expect((try? outcomes[0].get().outcome) == .applied && (try? outcomes[2].get().outcome) == .applied)
        #expect(throws: StatusUpdateRefusal.self) { try outcomes[1].get() }
    }

    @Test("a late update that makes a newer one void is what the request shows; the void one is told as such")
    func lateAndFinal() async throws {
        let id = try await request()
        let now = Timestamp.now
        var newer = try update("new", "IN_PROCESS", at: now)
        newer.agencyResponsible = "Voirie"
        _ = try await city.updates.apply(newer, to: id, of: city.tenant.id)
        let late = try await city.updates.apply(try update("old", "ARCHIVED", at: now.adding(seconds: -60)), to: id, of: city.tenant.id)
        #expect(late.outcome == .superseded && late.status == DetailedStatus(.archived))
        let kept = try await city.updates.received(for: id, tenant: city.tenant.id)
        // With everything that it said.
        #expect(try await city.reader.find([id], of: city.tenant.id).first?.agencyResponsible == nil)
        #expect(kept.map(\.id) == ["old", "new"] && kept.map(\.counts) == [true, false])
        let history = try await city.reader.history(of: [id], of: city.tenant.id)
        #expect(history[id]?.map(\.status) == [DetailedStatus(.archived)])
    }

    @Test("what was planned while a month's table was empty is planned anew when it is not", arguments: [Duration.zero, .seconds(3_600)])
    func plans(last: Duration) async throws {
        let owner = try PostgresConnection(configuration: addresses.owner)
        let id = try await request()
        // The planner knows now that there is nothing, and gathers no statistics meanwhile.
        let month = "status_updates_\(id.rawValue / 1_000_000_000)"
        try await owner.run { (session) throws(PostgresError) in
            try session.script("alter table \(month) set (autovacuum_enabled = off); analyze \(month)")
        }
        let updates = try StatusUpdateStore(configuration: addresses.role("bus311_status"), connections: 1, plansLast: last)
        let tenant = city.tenant.id
        _ = try await updates.apply([AddressedUpdate(try update("1", "IN_PROCESS"), to: .number(id))], of: tenant)
        try await owner.run { (session) throws(PostgresError) in
            try session.script(
                """
                insert into status_updates (tenant_id, request_id, update_id, fingerprint, occurred_at, received_at, applied)
                select \(tenant.rawValue), \(id) + n, 'x', '', now(), now(), true from generate_series(1, 20000) n
                """, within: .seconds(30))
        }
        _ = try await updates.apply([AddressedUpdate(try update("2", "IN_PROCESS"), to: .number(id))], of: tenant)
        // Sessions tell what they did when they end.
        await updates.close()
        var (read, found): (Int64, Int64) = (0, 0)
        for _ in 0..<100 where read + found == 0 {
            (read, found) = try await owner.run { (session) throws(PostgresError) in
                let statement = Statement(
                    "rows_read",
                    "select coalesce(seq_tup_read, 0), coalesce(idx_scan, 0) from pg_stat_user_tables where relname = '\(month)'")
                let row = try session.execute(statement).first
                return (try row?.int64(0) ?? 0, try row?.int64(1) ?? 0)
            }
            if read + found == 0 { try await Task.sleep(for: .milliseconds(50)) }
        }
        // The old plan goes through all of it: without that the test would prove nothing.
        if last == .zero { #expect(read < 100 && found > 0, "\(read) rows") } else { #expect(read >= 20_000, "\(read) rows") }
        await owner.close()
    }

    @Test("a reference given with a token is part of the history: an older update that comes late does not take it away")
    func tokenReference() async throws {
        let token = "9f86d081884c7d659a2feaa0c55ad015"
        var submission = try Fixtures.submission(for: city.tenant)
        submission.token = token
        submission.isListed = false
        let deferred = try await city.recorder.record(submission, tenant: city.tenant).id
        let now = Timestamp.now
        _ = try await city.updates.apply(try update("2", "IN_PROCESS", at: now.adding(seconds: -60)), to: deferred, of: city.tenant.id)
        let assigned = try await city.updates.assign(nil, reference: "CRM-7", toToken: token, of: city.tenant.id)
        #expect(assigned.isChange && assigned.view.references == ["CRM-7"])
        let late = try await city.updates.apply(
            try update("1", "RECEIVED", at: now.adding(seconds: -120), reference: "CRM-6"), to: deferred, of: city.tenant.id)
        #expect(late.outcome == .superseded)
        let owner = try PostgresConnection(configuration: addresses.owner)
        let shown = try await owner.run { (session) throws(PostgresError) in
            let statement = Statement("shown", "select external_reference from service_requests where id = \(deferred)")
            return try session.execute(statement).first?.optionalText(0)
        }
        await owner.close()
        #expect(shown == "CRM-7")
        // The CRM reads it back, in its place, with its receipt; the same again adds nothing.
        _ = try await city.updates.assign(nil, reference: "CRM-7", toToken: token, of: city.tenant.id)
        let kept = try await city.updates.received(for: deferred, tenant: city.tenant.id)
        #expect(kept.map(\.externalReference) == ["CRM-6", nil, "CRM-7"])
        #expect(kept.last?.isAcknowledgement == true && kept.last?.receipt != nil && kept.last?.status == nil)
        #expect(try await city.reader.history(of: [deferred], of: city.tenant.id)[deferred]?.count == 2, "citizens are told nothing new")
    }

    @Test("citizens' role cannot read internal notes, nor give itself names of requests")
    func gatewayIsNarrow() async throws {
        let gateway = try PostgresConnection(configuration: addresses.role("bus311_gateway"))
        for forbidden in [
            "select internal_notes from status_updates", "select * from status_updates",
            "insert into request_names values (1, 'given', 'x', 1)", "delete from request_names",
        ] {
            await #expect(throws: PostgresError.self) {
                try await gateway.run { (session) throws(PostgresError) in _ = try session.execute(Statement("forbidden", forbidden)) }
            }
        }
        await gateway.close()
    }

    @Test("a mapping is published as a version and stands in the directory; how long its tokens wait too")
    func policies() async throws {
        let administration = try AdministrationStore(configuration: addresses.role("bus311_admin"))
        let mapping = StatusMapping([.init(code: "EC", status: DetailedStatus(.inProcess), statusNotes: "n")])
        try await administration.setStatusMapping(mapping, of: city.tenant.id, by: "test")
        try await administration.setTokensWait(5, of: city.tenant.id)
        let policy = try #require(try await administration.tenant(city.tenant.key)).policies.lifecycle
        #expect(policy == LifecyclePolicy(mapping: mapping, tokenMinutes: 5))
        let store = try ReferenceStore(configuration: addresses.role("bus311_admin"))
        #expect(try await store.live(.statusMapping, of: city.tenant.id)?.version.number == 1)
        await store.close()
        await administration.close()
    }

    @Test("a longer circle is found too, and requests that are merged in one group with what comes late")
    func circles() async throws {
        let (one, two, three) = (try await request(), try await request(), try await request())
        let now = Timestamp.now
        func merge(_ id: String, into parent: ServiceRequestID, _ seconds: Int64) throws -> StatusUpdate {
            var merging = try update(id, "REJECTED,DUPLICATE", at: now.adding(seconds: seconds))
            merging.mergedInto = .number(parent)
            return merging
        }
        let tenant = city.tenant.id
        _ = try await city.updates.apply(try merge("1", into: two, -600), to: one, of: tenant)
        _ = try await city.updates.apply(try update("2", "open", at: now.adding(seconds: -300)), to: one, of: tenant)
        // Two becomes three's duplicate, and three, in the very group of the late word, one's.
        _ = try await city.updates.apply(try merge("3", into: three, -200), to: two, of: tenant)
        let outcomes = try await city.updates.apply(
            [
                AddressedUpdate(try merge("4", into: one, -100), to: .number(three)),
                AddressedUpdate(try update("5", "ARCHIVED", at: now.adding(seconds: -400)), to: .number(one)),
            ], of: tenant)
        #expect((try? outcomes[0].get().outcome) == .applied)
        guard case .failure(.invalidName(let fault)) = outcomes[1] else {
            Issue.record("\(outcomes[1])")
            return
        }
        #expect(fault == .circularParent(two))
        #expect(try await city.updates.view(of: .number(one), tenant: tenant)?.mergedInto == nil)
        #expect(try await city.updates.received(for: one, tenant: tenant).map(\.counts) == [true, true])
    }

    @Test("of a request whose citizen waits for its number, any word of the CRM's is news; of others what is public")
    func publicChanges() async throws {
        var submission = try Fixtures.submission(for: city.tenant)
        submission.token = "9f86d081884c7d659a2feaa0c55ad016"
        submission.isListed = false
        let deferred = try await city.recorder.record(submission, tenant: city.tenant).id
        let (tenant, now) = (city.tenant.id, Timestamp.now)
        func silent(_ id: String, _ seconds: Int64) throws -> StatusUpdate {
            var word = try update(id, nil, at: now.adding(seconds: seconds))
            word.isAcknowledgement = true
            return word
        }
        #expect(try await city.updates.apply(try silent("1", 5), to: deferred, of: tenant).updatedAt == now.adding(seconds: 5))
        let second = try await city.updates.apply(try silent("2", 10), to: deferred, of: tenant)
        #expect(second.updatedAt == now.adding(seconds: 5))
        let assigned = try await city.updates.assign(nil, reference: "CRM-8", toToken: "9f86d081884c7d659a2feaa0c55ad016", of: tenant)
        #expect(assigned.isChange && assigned.view.updatedAt == now.adding(seconds: 5) && assigned.view.version != second.version)
    }

    @Test("a published mapping of before a rule keeps its other codes")
    func oldMapping() async throws {
        let owner = try PostgresConnection(configuration: addresses.owner)
        try await owner.run { (session) throws(PostgresError) in
            try session.script(
                #"update tenants set status_mapping = '[{"code": "A", "status": "IN_PROCESS,PROCESSED"}, {"code": "B", "status": "closed"}]'"#
            )
        }
        await owner.close()
        let administration = try AdministrationStore(configuration: addresses.role("bus311_admin"))
        let mapping = try #require(try await administration.tenant(city.tenant.key)).policies.lifecycle.mapping
        #expect(mapping["A"]?.status.general == .inProcess && mapping["B"]?.status == DetailedStatus(.processed))
        await administration.close()
    }

    @Test("an erased request keeps no internal notes and no agency")
    func erased() async throws {
        let id = try await request()
        var secret = try update("u", nil)
        secret.internalNotes = "canary"
        secret.agencyResponsible = "canary"
        _ = try await city.updates.apply(secret, to: id, of: city.tenant.id)
        _ = try await city.updates.erase(id, because: .dataSubjectRequest, by: "test", of: city.tenant, origin: Fixtures.origin)
        let kept = try await city.updates.received(for: id, tenant: city.tenant.id)
        #expect(kept.allSatisfy { $0.internalNotes == nil && $0.agencyResponsible == nil })
        #expect(try await city.updates.view(of: .number(id), tenant: city.tenant.id)?.agencyResponsible == nil)
    }
}
