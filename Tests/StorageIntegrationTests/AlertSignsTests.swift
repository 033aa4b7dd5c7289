import Open311
import Postgres
import TestSupport
import Testing

@testable import Storage

@Suite("What alerts are judged by, read from the database")
struct AlertSignsTests {
    private let addresses: TestDatabase.Addresses
    private let city: City
    private let store: AlertStore

    init() async throws {
        addresses = try await TestDatabase.shared.fresh()
        city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        store = try AlertStore(configuration: addresses.role("bus311_watch"))
    }

    private func history(
        _ now: Timestamp, services: [(code: ServiceCode, before: Timestamp)] = [], of tenant: TenantID? = nil
    ) async throws -> TenantHistory {
        try await store.history(
            of: tenant ?? city.tenant.id, acknowledgedBefore: now.adding(seconds: -86_400), progressedBefore: now.adding(days: -30),
            services: services)
    }

    /// Made so many days ago by every clock, and in the broker since.
    private func age(_ request: ServiceRequestID, days: Int) async throws {
        try await addresses.script(
            """
            update service_requests set requested_at = now() - interval '\(days) days', updated_at = now() - interval '\(days) days'
            where id = \(request.rawValue);
            update outbox o set created_at = r.requested_at, state = 'confirmed', confirmed_at = r.requested_at + interval '1 minute'
            from service_requests r where r.id = o.request_id and r.id = \(request.rawValue);
            """)
    }

    private func says(_ id: String, of request: ServiceRequestID, _ status: String?, reference: String? = nil) async throws {
        var update = StatusUpdate(
            id: id, occurredAt: .now, namesItsMoment: false, status: try status.map { try StatusUpdate.RequestedStatus(validating: $0) },
            statusNotes: nil, agencyResponsible: nil, expectedAt: nil, serviceNotice: nil, externalReference: reference)
        update.isAcknowledgement = status == nil
        _ = try await city.updates.apply(update, to: request, of: city.tenant.id)
    }

    private func post(_ count: Int) async throws -> [ServiceRequestID] {
        var requests: [ServiceRequestID] = []
        for number in 0..<count {
            requests.append(
                try await city.recorder.record(
                    try Fixtures.submission(for: city.tenant, description: "n \(number)"), tenant: city.tenant
                ).id)
        }
        return requests
    }

    @Test("late requests are counted: without the CRM's word, without progress; silence has its beginning")
    func history() async throws {
        let now = Timestamp.now
        #expect(try await history(now) == TenantHistory())
        let requests = try await post(4)
        // Two days ago; the last one is of today.
        for request in requests.prefix(3) { try await age(request, days: 2) }
        var found = try await history(now)
        #expect(found.unacknowledged == 3 && found.unprogressed == 0 && found.requests.count == 2 && found.statuses.count == 0)
        let since = try #require(found.deliveredSince)
        #expect(found.requests.first.map { since <= $0 } == true && found.requests.usualInterval == nil)
        // One is not in the broker yet: that is not the CRM's delay.
        try await addresses.script("update outbox set state = 'pending', confirmed_at = null where request_id = \(requests[0].rawValue)")
        #expect(try await history(now).unacknowledged == 2)
        // The CRM speaks of one; long ago, of another, which has not moved since.
        try await says("u-1", of: requests[1], "IN_PROCESS", reference: "CRM-1")
        found = try await history(now)
        #expect(found.unacknowledged == 1 && found.statuses.count == 1 && found.deliveredSince == nil)
        // Another tenant's are not counted.
        let other = try await City(addresses, key: "orbe-1b2c3d", jurisdiction: "orbe.example")
        #expect(try await history(now, of: other.tenant.id) == TenantHistory())
    }

    @Test("one that waits is late however old it is; what is closed or forgotten is not")
    func noHorizon() async throws {
        let requests = try await post(4)
        for request in requests { try await age(request, days: 350) }
        #expect(try await history(.now).unacknowledged == 4)
        // Its event goes after a year; the request may stay for two.
        try await age(requests[0], days: 500)
        try await addresses.script("delete from outbox where request_id = \(requests[0].rawValue)")
        #expect(try await history(.now).unacknowledged == 4)
        try await addresses.script("update service_requests set erased_at = now() where id = \(requests[1].rawValue)")
        try await addresses.script("update service_requests set open = false where id = \(requests[2].rawValue)")
        #expect(try await history(.now).unacknowledged == 2)
    }

    @Test(
        "progress is what the CRM told citizens, when it told it: no photo, no retention, no acknowledgement moves it; a service may have its own delay"
    )
    func progress() async throws {
        let now = Timestamp.now
        let requests = try await post(3)
        for (place, request) in requests.enumerated() {
            try await says("u-\(place)", of: request, place == 2 ? nil : "IN_PROCESS", reference: "CRM-\(place)")
        }
        #expect(try await history(now).unprogressed == 0)
        // All of it two hundred days ago; since then something of ours has touched each row, and the CRM acknowledged again.
        let back = "now() - interval '200 days'"
        try await addresses.script(
            """
            update service_requests set requested_at = \(back), acknowledged_at = \(back), updated_at = now(),
                progress_at = case when progress_at is not null then \(back) end;
            update status_updates set received_at = \(back);
            """)
        #expect(try await history(now).unprogressed == 3)
        try await says("again", of: requests[0], nil, reference: "CRM-0")
        #expect(try await history(now).unprogressed == 3, "that it has it is no progress")
        try await says("moved", of: requests[0], "IN_PROCESS,assigned")
        #expect(try await history(now).unprogressed == 2)
        let service = try ServiceCode(validating: try await service(of: requests[0]))
        let other = try ServiceCode(validating: "ANOTHER")
        #expect(try await history(now, services: [(service, now.adding(days: -365))]).unprogressed == 0)
        #expect(try await history(now, services: [(other, now.adding(days: -365))]).unprogressed == 2)
        #expect(try await history(now, services: [(service, now.adding(seconds: 60))]).unprogressed == 3)
    }

    private func service(of request: ServiceRequestID) async throws -> String {
        let connection = try PostgresConnection(configuration: addresses.owner)
        let code = try await connection.run { (session) throws(PostgresError) in
            try session.execute(
                Statement("service_of", "select service_code from service_requests where id = $1::bigint"), [.int64(request.rawValue)]
            ).first?.text(0)
        }
        await connection.close()
        return try #require(code)
    }

    @Test("how often the CRM speaks is known of one who has been silent for months; a hundred at once are one word")
    func rhythm() async throws {
        let request = try #require(try await post(1).first)
        // Every week for a year, each time a hundred, the last one ninety days ago.
        try await addresses.script(
            """
            insert into status_updates (request_id, update_id, tenant_id, fingerprint, occurred_at, received_at, applied, status)
            select \(request.rawValue), w || '-' || n, \(city.tenant.id.rawValue), '', now(),
                   date_trunc('hour', now()) - interval '90 days' - interval '7 days' * w + interval '10 seconds' * n, true, 'IN_PROCESS'
            from generate_series(0, 51) w, generate_series(1, 100) n;
            """)
        let statuses = try await history(.now).statuses
        #expect(statuses.count == 25)
        let usual = try #require(statuses.usualInterval)
        let apart = usual - Int64(7 * 86_400)
        #expect(abs(apart) < 3_600, "\(usual)")
        #expect(try await history(.now).deliveredSince != nil)
    }

    @Test("a look into a tenant's history reads what waits, not what is done, of twenty thousand requests")
    func historyReadsLittle() async throws {
        try await addresses.script(
            """
            insert into service_requests (id, tenant_id, service_code, service_name, description, status, open, requested_at, updated_at,
                                          acknowledged_at, progress_at, received_via, language)
            select to_char(now(), 'YYMM')::bigint * 1000000000 + n, \(city.tenant.id.rawValue), 'LAMP', 'Lamp', repeat('x', 500),
                   case when n % 400 = 0 then 'RECEIVED' else 'PROCESSED' end, n % 400 = 0, now() - interval '1 minute' * (n * 15),
                   now(), case when n % 800 <> 0 then now() - interval '1 minute' * (n * 15) end, null, 'web', 'fr'
            from generate_series(1, 20000) n;
            analyze service_requests;
            """)
        let connection = try PostgresConnection(configuration: addresses.owner)
        let plan = try await connection.run { (session) throws(PostgresError) in
            let call =
                "select * from bus311_alert_history(\(city.tenant.id.rawValue), now() - interval '1 day', now() - interval '30 days', '{}', '{}')"
            // Plans and partitions are read once.
            _ = try session.execute(Statement("history_once", call))
            return try session.execute(Statement("history_explained", "explain (analyze, buffers, timing off, format text) \(call)")).map {
                (row) throws(PostgresError) in try row.text(0)
            }
        }
        await connection.close()
        let line = try #require(plan.first { $0.contains("Buffers: shared") })
        let pages = line.matches(of: /(?:hit|read)=(\d+)/).reduce(0) { $0 + (Int($1.1) ?? 0) }
        // The table alone has fourteen hundred pages; planning, the fifty that wait and a rhythm take fewer than a thousand.
        #expect(pages > 0 && pages < 1_300, "\(plan)")
        let found = try await history(.now)
        #expect(found.unprogressed > 0 && found.unprogressed <= 25 && found.requests.count == 25)
    }

    @Test("what failed and was then taken has failed; a full queue is not counted among it")
    func failuresThatPass() async throws {
        let requests = try await post(3)
        let outbox = try OutboxStore(configuration: addresses.role("bus311_relay"))
        let leadership = try #require(try await outbox.lead(city.tenant.shard))
        let pending = try await leadership.pending(after: 0, limit: 10, excludingTenants: [])
        #expect(pending.count == requests.count)
        for _ in 0..<3 { try await leadership.postpone(pending.map(\.seq), by: .seconds(0), reason: "returned") }
        try await leadership.park(pending[0].seq, reason: "too_large")
        try await leadership.postpone([pending[1].seq], by: .seconds(0), reason: "nack")
        #expect(try await store.board(at: .now)?.failures[city.tenant.id]?.isRefused == true)
        try await leadership.confirm(pending.dropFirst().map { Settlement(seq: $0.seq, publishedAt: .now, body: $0.body) })
        let failures = try #require(try await store.board(at: .now)?.failures[city.tenant.id])
        #expect(failures.count == 10 && !failures.isRefused)
        #expect(try await store.board(at: Timestamp.now.adding(seconds: 720))?.failures[city.tenant.id] == nil)
        await leadership.release()
    }

    @Test("refused events, refused statuses and incidents are seen, each with its tenant")
    func signs() async throws {
        let request = try await city.recorder.record(try Fixtures.submission(for: city.tenant), tenant: city.tenant).id
        try await addresses.script(
            """
            update outbox set attempts = 6, last_error = 'nack', next_attempt_at = now() where request_id = \(request.rawValue);
            insert into refusal_counts (tenant_id, minute, refused, unpublished)
            values (\(city.tenant.id.rawValue), date_trunc('minute', now()), 0, 6), (\(city.tenant.id.rawValue), now() - interval '1 hour', 0, 70);
            insert into queue_incidents (tenant_id, kind, detail, messages) values (\(city.tenant.id.rawValue), 'purge_suspected', 'q', 40);
            insert into queue_incidents (tenant_id, kind, detail) values (\(city.tenant.id.rawValue), 'config_drift', 'q');
            insert into status_inbox select \(city.tenant.id.rawValue), 'm' || n, sha256(n::text::bytea), now(), gen_random_uuid(),
                'status_update.rejected.v1', '' from generate_series(1, 11) n;
            """)
        // Over REST one update may be sent, and refused, again and again: each time counts.
        try await city.updates.countRefused(2, tenant: city.tenant.id)
        try await city.updates.countRefused(1, tenant: city.tenant.id)
        try await addresses.script("insert into refusal_counts values (\(city.tenant.id.rawValue), now() - interval '2 hours', 50)")
        let board = try #require(try await store.board(at: .now))
        #expect(board.failures[city.tenant.id]?.count == 6 && board.failures[city.tenant.id]?.isRefused == true)
        #expect(board.rejections[city.tenant.id] == 14 && board.drifting == [city.tenant.id])
        #expect(board.losses[city.tenant.id]?.messages == 40 && board.outboxPending == 1 && board.oldestPending != nil)
        #expect(board.shardsLed.isEmpty && board.tenants.map(\.key.rawValue) == ["valmont-7f3a9c"])
    }
}
