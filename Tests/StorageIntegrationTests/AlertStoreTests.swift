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
            try await addresses.script(
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
        try await addresses.script(
            "insert into tenant_contacts values (\(city.tenant.id.rawValue), 'manager', null, 'dgs@valmont.example')")
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
}
