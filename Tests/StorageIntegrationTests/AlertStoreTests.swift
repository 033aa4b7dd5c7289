import Open311
import Postgres
import TestSupport
import Testing

@testable import Storage

@Suite("Alerts in the database")
struct AlertStoreTests {
    private let addresses: TestDatabase.Addresses
    private let city: City
    private let store: AlertStore
    private let administration: AdministrationStore

    init() async throws {
        addresses = try await TestDatabase.shared.fresh()
        city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        store = try AlertStore(configuration: addresses.role("bus311_watch"))
        administration = try AdministrationStore(configuration: addresses.role("bus311_admin"))
    }

    private var key: AlertKey { AlertKey(.noConsumer, city.tenant.id) }

    private func run(_ sql: String) async throws {
        let connection = try PostgresConnection(configuration: addresses.owner)
        try await connection.run { (session) throws(PostgresError) in try session.script(sql) }
        await connection.close()
    }

    /// One look: what is stored, a step, what becomes of it.
    @discardableResult
    private func look(
        _ store: AlertStore, _ level: AlertObservation.Level, at now: Timestamp, rules: AlertRules = AlertRules()
    ) async throws -> AlertEngine.Outcome {
        let board = try #require(try await store.board(at: now))
        let outcome = AlertEngine(rules: rules).step(
            board.open, [key: AlertObservation(level, [.consumers: 0, .messages: 12], names: ["o311.valmont-7f3a9c.requests"])],
            board.context)
        try await store.save(outcome, linksExpire: now.adding(days: 14)) { notice, signatures in
            [
                NewAlertDelivery(
                    channel: .webhook, recipient: .operator, kind: notice.kind, subject: "s",
                    body: signatures[.manager] ?? "unsigned", payload: Array("{\"alert\": \(notice.episode.number ?? 0)}".utf8))
            ]
        }
        return outcome
    }

    @Test("an alert goes on where it stood after a restart, and is told once")
    func survivesRestarts() async throws {
        let start = Timestamp(seconds: Timestamp.now.seconds - 1_000)
        try await look(store, .bad(.critical), at: start)
        await store.close()
        let second = try AlertStore(configuration: addresses.role("bus311_watch"))
        for seconds in stride(from: Int64(100), through: 590, by: 98) {
            try await look(second, .bad(.critical), at: start.adding(seconds: seconds))
        }
        let before = try #require(try await second.board(at: .now)?.open.first)
        #expect(before.phase == .pending && before.since == start && before.facts[.messages] == 12)
        #expect(before.names == ["o311.valmont-7f3a9c.requests"])
        #expect(try await look(second, .bad(.critical), at: start.adding(seconds: 601)).notices.map(\.kind) == [.fired])
        await second.close()
        let third = try AlertStore(configuration: addresses.role("bus311_watch"))
        #expect(try await look(third, .bad(.critical), at: start.adding(seconds: 620)).notices.isEmpty)
        let fired = try #require(try await third.board(at: .now)?.open.first)
        #expect(fired.told[.administrator] == AlertEpisode.Told(at: start.adding(seconds: 601), count: 1, severity: .critical))
        #expect(fired.told[.manager] == nil && fired.peaks[.messages] == 12)
        try await look(third, .clear, at: start.adding(seconds: 630))
        #expect(try await look(third, .clear, at: start.adding(seconds: 750)).notices.map(\.kind) == [.recovered])
        #expect(try await third.board(at: .now)?.open.isEmpty == true)
        let listed = try await administration.alerts(all: true, tenant: city.tenant.id)
        #expect(listed.count == 1 && listed[0].phase == "ended" && listed[0].notices == 2 && listed[0].tenant == "valmont-7f3a9c")
        #expect(try await administration.alertDeliveries(of: listed[0].number).map(\.kind) == ["recovered", "fired"])
        await third.close()
    }

    @Test("what came to nothing leaves nothing")
    func dropped() async throws {
        try await look(store, .bad(.critical), at: .now)
        try await look(store, .clear, at: .now)
        #expect(try await administration.alerts(all: true, tenant: nil).isEmpty)
    }

    @Test("one of several evaluates; when its session ends another does")
    func oneLeader() async throws {
        let other = try AlertStore(configuration: addresses.role("bus311_watch"))
        #expect(try await store.board(at: .now) != nil)
        #expect(try await other.board(at: .now) == nil)
        #expect(try await store.board(at: .now) != nil)
        await store.close()
        var board: AlertBoard?
        for _ in 0..<50 where board == nil {
            board = try await other.board(at: .now)
            if board == nil { try await Task.sleep(for: .milliseconds(100)) }
        }
        #expect(board != nil)
        await other.close()
    }

    @Test("what grew after somebody took care of it is open again; whoever acknowledges at that moment is heard")
    func reopened() async throws {
        let dead = AlertKey(.deadLetters, city.tenant.id)
        func look(_ letters: Int64, meanwhile: (Int64) async throws -> Void = { _ in }) async throws -> AlertEngine.Outcome {
            let board = try #require(try await store.board(at: .now))
            let outcome = AlertEngine().step(
                board.open, [dead: AlertObservation(.bad(.warning), [.deadLetters: letters])], board.context)
            if let number = board.open.first?.number { try await meanwhile(number) }
            try await store.save(outcome, linksExpire: Timestamp.now.adding(days: 14)) { _, _ in [] }
            return outcome
        }
        #expect(try await look(3).notices.count == 2)
        let number = try #require(try await administration.alerts(all: false, tenant: nil).first?.number)
        _ = try await administration.acknowledgeAlert(number, by: "test")
        #expect(try await look(5).notices.isEmpty)
        #expect(try await administration.alerts(all: false, tenant: nil).first?.acknowledgedAt != nil)
        #expect(try await look(6).notices.map(\.kind) == [.worsened, .worsened])
        #expect(try await administration.alerts(all: false, tenant: nil).first?.acknowledgedAt == nil)
        _ = try await administration.acknowledgeAlert(number, by: "test")
        _ = try await look(12) { number in
            try await run(
                "update alerts set acknowledged_at = now() + interval '1 second', acknowledged_by = 'another' where number = \(number)")
        }
        #expect(try await administration.alerts(all: false, tenant: nil).first?.acknowledgedBy == "another")
    }

    @Test("a text is one sender's at a time, comes back when nothing is said of it, and has an end")
    func deliveries() async throws {
        let outbox = try AlertOutbox(configuration: addresses.role("bus311_watch"))
        let other = try AlertOutbox(configuration: addresses.role("bus311_watch"))
        let texts = (0..<3).map { NewAlertDelivery(channel: .email, recipient: .manager, kind: .test, subject: "s\($0)", body: "b") }
        #expect(try await administration.sendTest(texts, of: city.tenant.id).count == 3)
        try await run("insert into tenant_contacts values (\(city.tenant.id.rawValue), 'manager', null, 'dgs@valmont.example')")
        let mine = try await outbox.take(2)
        let theirs = try await other.take(5)
        #expect(mine.count == 2 && theirs.count == 1 && Set((mine + theirs).map(\.number)).count == 3)
        #expect(mine.allSatisfy { $0.attempts == 1 && $0.address?.rawValue == "dgs@valmont.example" && $0.what.kind == .test })
        #expect(try await outbox.take(5).isEmpty)
        try await outbox.sent(mine[0])
        try await outbox.failed(mine[1], after: .seconds(0), reason: "cannot_connect")
        try await other.failed(theirs[0], after: nil, reason: "refused_550")
        let again = try await other.take(5)
        #expect(again.map(\.number) == [mine[1].number] && again[0].attempts == 2)
        let shown = try await administration.alertDeliveries(of: nil)
        #expect(shown.count { $0.sentAt != nil } == 1 && shown.count { $0.givenUpAt != nil } == 1)
        await outbox.close()
        await other.close()
    }

    @Test("a signed link shows its alert and acknowledges it; with anything changed it does neither")
    func links() async throws {
        var rules = AlertRules()
        rules[.noConsumer].after = 0
        try await look(store, .bad(.critical), at: .now, rules: rules)
        let alert = try #require(try await administration.alerts(all: false, tenant: nil).first)
        let signature = try #require(
            try await AlertOutbox(configuration: addresses.role("bus311_watch")).take(1).first?.what.body)
        // As the texts were given it: for fourteen days.
        let board = try #require(try await store.board(at: .now))
        let since = try #require(board.open.first?.since)
        let links = try AlertLinkStore(configuration: addresses.role("bus311_gateway"))
        let expires = since.adding(days: 14).seconds
        let good = AlertLink(alert: alert.number, recipient: .manager, expires: expires, signature: signature)
        #expect(AlertLink(path: good.path) == good)
        for bad in [
            AlertLink(alert: alert.number + 1, recipient: .manager, expires: expires, signature: signature),
            AlertLink(alert: alert.number, recipient: .operator, expires: expires, signature: signature),
            AlertLink(alert: alert.number, recipient: .manager, expires: expires + 1, signature: signature),
            AlertLink(alert: alert.number, recipient: .manager, expires: expires, signature: String(repeating: "0", count: 64)),
        ] {
            #expect(try await links.alert(of: bad) == nil)
            #expect(try await !links.acknowledge(bad))
        }
        #expect(try await administration.alerts(all: false, tenant: nil).first?.acknowledgedAt == nil)
        let shown = try #require(try await links.alert(of: good))
        #expect(
            shown.code == .noConsumer && shown.language == .french && shown.tenant == "Ville de valmont-7f3a9c"
                && shown.acknowledgedAt == nil)
        #expect(try await links.acknowledge(good))
        #expect(try await links.acknowledge(good), "again changes nothing")
        let after = try #require(try await administration.alerts(all: false, tenant: nil).first)
        #expect(after.acknowledgedBy == "manager" && after.acknowledgedAt != nil)
        #expect(try await store.board(at: .now)?.open.first?.acknowledgedAt != nil)
        await links.close()
    }

    @Test("a link that is too old is none")
    func oldLinks() async throws {
        var rules = AlertRules()
        rules[.noConsumer].after = 0
        let before = Timestamp.now.adding(days: -15)
        try await look(store, .bad(.critical), at: before, rules: rules)
        let signature = try #require(try await AlertOutbox(configuration: addresses.role("bus311_watch")).take(1).first?.what.body)
        let alert = try #require(try await administration.alerts(all: false, tenant: nil).first)
        let links = try AlertLinkStore(configuration: addresses.role("bus311_gateway"))
        let link = AlertLink(alert: alert.number, recipient: .manager, expires: before.adding(days: 14).seconds, signature: signature)
        #expect(try await links.alert(of: link) == nil)
        #expect(try await !links.acknowledge(link))
        await links.close()
    }

    @Test("a gateway can neither read alerts, nor sign, nor read the keys; the watch cannot read the keys either")
    func rights() async throws {
        for (role, sql) in [
            ("bus311_gateway", "select * from alerts"), ("bus311_gateway", "select bus311_sign_alert_link(1, 'manager', 1)"),
            ("bus311_gateway", "select * from alert_link_keys"), ("bus311_watch", "select * from alert_link_keys"),
            ("bus311_admin", "select * from alert_link_keys"), ("bus311_watch", "select * from service_requests"),
            ("bus311_watch", "select * from reporters"), ("bus311_status", "select * from alert_deliveries"),
        ] {
            let connection = try PostgresConnection(configuration: addresses.role(role))
            await #expect(throws: PostgresError.self, "\(role): \(sql)") {
                try await connection.run { (session) throws(PostgresError) in try session.script(sql) }
            }
            await connection.close()
        }
    }

    @Test("announced work and muted alerts reach the evaluation, and end")
    func pauses() async throws {
        let now = Timestamp.now
        let number = try await administration.addMaintenance(
            of: city.tenant.id, from: now.adding(seconds: -5), to: now.adding(seconds: 60), because: "update", by: "test")
        _ = try await administration.addMaintenance(
            of: nil, from: now.adding(seconds: 600), to: now.adding(seconds: 900), because: "later", by: "test")
        try await administration.mute(.noConsumer, city.tenant.id, until: now.adding(seconds: 60), because: "known", by: "test")
        try await administration.mute(.disk, nil, until: now.adding(seconds: 60), because: "known", by: "test")
        let board = try #require(try await store.board(at: .now))
        #expect(board.context.maintenance == [city.tenant.id] && board.context.muted == [key, AlertKey(.disk)])
        #expect(try await administration.alertPauses().count == 4)
        #expect(try await administration.endMaintenance(number, by: "test") != nil)
        #expect(try await administration.endMaintenance(number, by: "test") == nil)
        try await administration.mute(.noConsumer, city.tenant.id, until: nil, because: "", by: "test")
        let after = try #require(try await store.board(at: Timestamp.now.adding(seconds: 1)))
        #expect(after.context.maintenance.isEmpty && after.context.muted == [AlertKey(.disk)])
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
        try await run(
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
        try await run("update outbox set state = 'pending', confirmed_at = null where request_id = \(requests[0].rawValue)")
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
        try await run("delete from outbox where request_id = \(requests[0].rawValue)")
        #expect(try await history(.now).unacknowledged == 4)
        try await run("update service_requests set erased_at = now() where id = \(requests[1].rawValue)")
        try await run("update service_requests set open = false where id = \(requests[2].rawValue)")
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
        try await run(
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
        try await run(
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
        try await run(
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
        let line = try #require(plan.first { $0.contains("Buffers: shared hit=") })
        let pages = try #require(line.split(separator: "=").last.flatMap { Int($0.prefix { $0.isNumber }) })
        // The table alone has fourteen hundred pages; planning, the fifty that wait and a rhythm take fewer than a thousand.
        #expect(pages < 1_300, "\(plan)")
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
        try await leadership.confirm(pending.dropFirst().map { Settlement(seq: $0.seq, publishedAt: .now) })
        let failures = try #require(try await store.board(at: .now)?.failures[city.tenant.id])
        #expect(failures.count == 10 && !failures.isRefused)
        #expect(try await store.board(at: Timestamp.now.adding(seconds: 720))?.failures[city.tenant.id] == nil)
        await leadership.release()
    }

    @Test("refused events, refused statuses and incidents are seen, each with its tenant")
    func signs() async throws {
        let request = try await city.recorder.record(try Fixtures.submission(for: city.tenant), tenant: city.tenant).id
        try await run(
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
        try await run("insert into refusal_counts values (\(city.tenant.id.rawValue), now() - interval '2 hours', 50)")
        let board = try #require(try await store.board(at: .now))
        #expect(board.failures[city.tenant.id]?.count == 6 && board.failures[city.tenant.id]?.isRefused == true)
        #expect(board.rejections[city.tenant.id] == 14 && board.drifting == [city.tenant.id])
        #expect(board.losses[city.tenant.id]?.messages == 40 && board.outboxPending == 1 && board.oldestPending != nil)
        #expect(board.shardsLed.isEmpty && board.tenants.map(\.key.rawValue) == ["valmont-7f3a9c"])
    }
}
