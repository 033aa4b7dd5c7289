import Foundation
import Open311
import Operations
import Postgres
import TestSupport
import Testing

@testable import Storage

@Suite("One rolling year")
struct RetentionTests {
    @Test("each table of the schema has exactly one rule, whose column is there, and the database says the same")
    func everyTableHasARule() async throws {
        let past = try await PastCity()
        let tables = try await past.texts(
            """
            select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
            """)
        let rules = RetentionRule.all.map(\.relation)
        #expect(Set(tables).subtracting(rules) == [], "in no rule: add one line to RetentionRule.all")
        #expect(Set(rules).subtracting(tables) == [], "no such table")
        #expect(Set(rules).count == rules.count)
        for rule in RetentionRule.all {
            let column: String? =
                switch rule.disposal {
                case .rows(_, let column), .months(_, let column, _): column
                default: nil
                }
            if let column {
                let found = try await past.number(
                    """
                    select count(*) from information_schema.columns where table_name = '\(rule.relation)' and column_name = '\(column)'
                      and data_type = 'timestamp with time zone'
                    """)
                #expect(found == 1, "\(rule.relation).\(column)")
            }
        }
        #expect(try await past.number("select count(*) from retention_rules") == Int64(rules.count))
        // What names a person goes by a rule that ends; only registers without anybody in them may stay.
        let personal = try await past.texts(
            """
            select distinct table_name::text from information_schema.columns where table_schema = 'public'
              and column_name in ('first_name', 'last_name', 'email', 'phone', 'account_id', 'device_id', 'description', 'address', 'body')
            """)
        for rule in RetentionRule.all where personal.contains(rule.relation) { #expect(rule.disposal != .kept, "\(rule.relation)") }
    }

    @Test("400 days of time travel: each day's run takes what is past its term and nothing younger; the ledger adds up; statistics stay")
    func timeTravel() async throws {
        let past = try await PastCity()
        try await past.add(daysAgo: 1...780)
        try await past.run(
            "create table seeded as select id, requested_at from service_requests; create table daily_counts as select 780 as n")
        for days in stride(from: 400, through: 0, by: -10) {
            let report = try #require(try await past.retain(daysAgo: days))
            #expect(report.left.isEmpty, "\(report.left)")
            let clock = try #require(try await past.texts("select clock::text from retention_runs order by number desc limit 1").first)
            let moment = "timestamptz '\(clock)' at time zone 'UTC'"
            let wrong = try await past.number(
                """
                select count(*) from seeded s left join service_requests r on r.id = s.id
                where (r.id is not null and r.erased_at is null) <> (s.requested_at at time zone 'UTC' >= \(moment) - interval '12 months')
                   or (r.id is not null) <> (s.requested_at at time zone 'UTC' >= \(moment) - interval '30 days' - interval '12 months')
                """)
            #expect(wrong == 0, "\(days) days ago")
        }
        // Whoever is younger than the year has everything; of the others nothing says who they were.
        let young = try await past.number("select count(*) from seeded where requested_at >= now() - interval '12 months'")
        for table in ["reporters", "client_references"] {
            #expect(try await past.number("select count(*) from \(table)") == young, "\(table)")
        }
        for (table, column) in [("service_requests", "description"), ("status_updates", "status_notes"), ("moderations", "reason")] {
            #expect(try await past.number("select count(*) from \(table) where \(column) like 'canary%'") == young, "\(table)")
        }
        #expect(try await past.number("select count(*) from outbox where body = 'canary' and created_at < now() - interval '90 days'") == 0)
        #expect(try await past.number("select count(*) from outbox where body = 'canary'") > 85)
        let rows = try await past.number("select count(*) from service_requests")
        #expect(try await past.ledger("service_requests", "deleted") + rows == 780)
        #expect(try await past.ledger("service_requests", "anonymised") + young == 780)
        #expect(try await past.ledger("reporters", "deleted") + young == 780)
        // Months in which nothing is left are gone, of all four tables.
        let months = try await past.texts(
            "select relname::text from pg_class where relkind = 'r' and relname ~ '^(service_requests|reporters|status_updates|outbox|audit)_[0-9]{4}$' and right(relname, 4) < to_char(now() - interval '15 months', 'YYMM')"
        )
        #expect(months == [])
        #expect(try await past.ledger("outbox", "dropped") > 300)
        // The CRM was told of each, once.
        let told = try await past.number("select count(distinct request_id) from outbox where type = 'service_request.erased.v1'")
        #expect(told == 780 - young)
        #expect(try await past.store.verify().isEmpty)
        #expect(try await past.number("select n::bigint from daily_counts") == 780)
    }

    @Test("terms of a tenant and of a service; a tenant that is gone has the year; a test endpoint too, and tells nobody")
    func terms() async throws {
        let past = try await PastCity()
        let own = past.city.tenant.id.rawValue
        try await past.run(
            "update tenants set arrangement = arrangement || '{\"retention_months\": 24, \"retention_services\": {\"NOISE\": 6}, \"retention_tells_crm\": false, \"retention_rest_days\": 0}'"
        )
        try await past.add(daysAgo: 300...303)
        try await past.add(daysAgo: 500...502)
        try await past.add(daysAgo: 740...741)
        try await past.add(daysAgo: 170...174, service: "NOISE")
        try await past.add(daysAgo: 190...194, service: "NOISE")
        try await past.add(daysAgo: 364...364, tenant: 4_711)
        try await past.add(daysAgo: 380...380, tenant: 4_711)
        try await past.add(daysAgo: 500...500, tenant: 4_711)
        try await past.add(daysAgo: 740...740, tenant: -own)
        try await past.retain()
        let left = try await past.texts(
            "select service_code || ' ' || count(*) from service_requests where tenant_id = \(own) group by service_code order by 1")
        #expect(left == ["LAMP 7", "NOISE 5"])
        // The year, and thirty days more without the person.
        let kept = "select (erased_at is not null)::text from service_requests where tenant_id = 4711 order by requested_at"
        #expect(try await past.texts(kept) == ["true", "false"])
        #expect(try await past.number("select count(*) from service_requests where tenant_id < 0") == 0)
        #expect(try await past.number("select count(*) from outbox where type like '%erased%'") == 0)
    }

    @Test("nothing younger goes: not by a clock that is ahead, not by a direct call, not by a statement of the owner's")
    func refusesYounger() async throws {
        let past = try await PastCity()
        try await past.add(daysAgo: 1...3)
        try await past.add(daysAgo: 360...364)
        await #expect(throws: RetentionError.self) { try await past.retain(daysAgo: -400) }
        let number = try #require(try await past.store.begin(at: .now, by: "test", afterGap: false))
        let young = DueRequest(
            id: ServiceRequestID(stored: try await past.number("select max(id) from service_requests")), requestedAt: .now, sequence: 1)
        let own = past.city.tenant.id
        await #expect(throws: RetentionError.self) {
            _ = try await past.store.anonymise([young], of: own, shard: 0, events: [], run: number)
        }
        await #expect(throws: RetentionError.self) { _ = try await past.store.delete([young], of: own, run: number) }
        let month = RetentionMonth(
            relation: "outbox", month: try #require(try await past.texts("select to_char(now() - interval '6 months', 'YYMM')").first),
            isAttached: true)
        await #expect(throws: RetentionError.self) { _ = try await past.store.detach(month, run: number) }
        await #expect(throws: RetentionError.self) { _ = try await past.store.drop(month, run: number) }
        _ = try await past.store.end(number, "finished")
        await #expect(throws: PostgresError.self) { try await past.run("delete from service_requests") }
        // The database's own clock leaps: the last run seems to be long ago, and a person has to say that it is.
        try await past.run("update retention_runs set began_at = began_at - interval '60 days'")
        await #expect(throws: RetentionError.self) { try await past.retain() }
        // It is set back: the last run seems to come.
        try await past.run("update retention_runs set began_at = now() + interval '2 days'")
        await #expect(throws: RetentionError.self) { try await past.retain() }
        #expect(try await past.number("select count(*) from service_requests where erased_at is null") == 8)
        #expect(try await past.number("select count(*) from retention_ledger") == 0)
    }

    @Test(
        "a rehearsal says what the run then does: what it forgets and deletes at once, with all that hangs on it, and months that get empty"
    )
    func rehearsal() async throws {
        let past = try await PastCity()
        try await past.run(
            "update tenants set arrangement = arrangement || '{\"retention_services\": {\"NOISE\": 1}, \"retention_rest_days\": 1}'")
        try await past.add(daysAgo: 360...370)
        try await past.add(daysAgo: 30...41, service: "NOISE")
        try await past.add(daysAgo: 500...502, tenant: 4_711)
        // A month that only holds keep.
        try await past.run(
            "insert into request_holds (request_id, tenant_id, reason, placed_by) select id, 4711, 'x', 'x' from service_requests where tenant_id = 4711"
        )
        try await past.retain(daysAgo: 6)
        try await past.run("delete from request_holds")
        try await past.add(daysAgo: 39...40, service: "NOISE")
        // The broker refused one event before; one request is held.
        let held = try await past.number(
            "select max(id) from service_requests where requested_at < now() - interval '366 days' and erased_at is null")
        try await past.run(
            """
            update outbox set state = 'pending', attempts = 2, next_attempt_at = now() where seq = (select max(seq) from outbox where body <> '');
            insert into request_holds (request_id, tenant_id, reason, placed_by) select \(held), \(past.city.tenant.id.rawValue), 'x', 'x';
            """)
        func summary(_ steps: [RetentionStep]) -> [String: Int64] {
            var rows: [String: Int64] = [:]
            for step in steps where step.action != "held" {
                // Of months, how many: a rehearsal estimates their rows.
                let key = "\(step.tenant?.rawValue ?? 0) \(step.relation) \(step.action)"
                rows[key, default: 0] += step.action == "dropped" ? 1 : step.rows
            }
            return rows
        }
        let plan = summary(try await past.store.plan(at: .now))
        let report = try #require(try await past.retain())
        var done = summary(report.steps.filter { $0.action != "dropped" })
        for relation in try await past.texts("select relation from retention_ledger where action = 'dropped' and run = \(report.number)") {
            done["0 \(relation) dropped", default: 0] += 1
        }
        #expect(plan == done)
        #expect(
            try await past.number(
                "select count(*) from outbox o where body = 'canary' and not exists (select from service_requests r where r.id = o.request_id)"
            ) == 0)
        #expect(plan.contains { $0.key.hasSuffix("photos emptied") } && plan.contains { $0.key.hasSuffix("status_updates emptied") })
        #expect(plan.contains { $0.key.hasSuffix("photos deleted") } && plan.contains { $0.key.hasSuffix("reporters deleted") })
        #expect(
            plan.contains { $0.key.hasSuffix("service_requests dropped") }
                && plan.contains { $0.key.hasSuffix("client_references deleted") })
    }

    @Test("what is held stays until the hold is removed, and nobody erases it by hand meanwhile")
    func holds() async throws {
        let past = try await PastCity()
        try await past.add(daysAgo: 400...404)
        let administration = try AdministrationStore(configuration: past.addresses.role("bus311_admin"))
        let held = ServiceRequestID(stored: try await past.number("select min(id) from service_requests"))
        #expect(try await administration.hold(held, because: "case 17", by: "anna") == .held)
        #expect(try await administration.hold(held, because: "case 18", by: "anna") == .repeated)
        await #expect(throws: StatusUpdateRefusal.self) {
            _ = try await past.city.updates.erase(held, because: .legalOrder, by: "test", of: past.city.tenant, origin: Fixtures.origin)
        }
        let plan = try await past.store.plan(at: .now)
        #expect(plan.first { $0.action == "held" }?.sample == ["\(held)"])
        #expect(plan.first { $0.action == "anonymised" }?.rows == 4)
        #expect(try await past.number("select count(*) from service_requests where erased_at is not null") == 0, "a plan changes nothing")
        try await past.retain()
        #expect(try await past.texts("select id::text from service_requests") == ["\(held)"])
        #expect(try await past.number("select count(*) from reporters where request_id = \(held)") == 1)
        #expect(try await administration.release(held, by: "bert"))
        #expect(try await !administration.release(held, by: "bert"))
        try await past.retain()
        #expect(try await past.number("select count(*) from service_requests") == 0)
        #expect(try await administration.hold(held, because: "case 19", by: "anna") == .unknown)
        #expect(try await past.number("select count(*) from operator_actions where what like 'legal hold%'") == 2)
        await administration.close()
    }

    @Test("retention forgets what an erasure forgets: the same columns of the same request")
    func forgetsAsAnErasureDoes() async throws {
        let past = try await PastCity()
        try await past.add(daysAgo: 380...381)
        let ids = try await past.texts("select id::text from service_requests order by id").compactMap { Int64($0) }
        _ = try await past.city.updates.erase(
            ServiceRequestID(stored: ids[0]), because: .retention, by: "t", of: past.city.tenant, origin: Fixtures.origin)
        try await past.retain()
        let own =
            "'{id,request_id,requested_at,updated_at,erased_at,number,seq,token,event_id,created_at,confirmed_at,occurred_at,received_at,decided_at,stored_at,cell,update_id}'::text[]"
        for (table, key) in [
            ("service_requests", "id"), ("status_updates", "request_id"), ("citizen_updates", "request_id"), ("moderations", "request_id"),
            ("photos", "request_id"), ("outbox", "request_id"),
        ] {
            let rows = try await past.texts(
                "select distinct (to_jsonb(t) - \(own) - 'body' - 'asked_by')::text from \(table) t where \(key) in (\(ids[0]), \(ids[1]))\(table == "outbox" ? " and type not like '%erased%'" : table == "photos" ? "" : "")"
            ).map { $0.replacing(#/"id": \d+/#, with: "") }
            #expect(Set(rows).count == 1, "\(table): \(rows)")
        }
        #expect(try await past.number("select count(*) from reporters") == 0)
        #expect(try await past.number("select count(*) from client_references") == 0)
        #expect(try await past.number("select count(*) from outbox where body = 'canary'") == 0)
    }

    @Test("one process at a time; a run whose session ended takes nothing more, and is recorded as cut off")
    func oneAtATime() async throws {
        let past = try await PastCity()
        try await past.add(daysAgo: 400...400)
        let number = try #require(try await past.store.begin(at: .now, by: "first", afterGap: false))
        let second = try RetentionStore(configuration: past.addresses.role("bus311_watch"))
        #expect(try await second.begin(at: .now, by: "second", afterGap: false) == nil)
        // Of this database only: the server has others, whose tests run beside this one.
        try await past.run(
            """
            select pg_terminate_backend(pid) from pg_locks
            where locktype = 'advisory' and objid = 3110092 and database = (select oid from pg_database where datname = current_database())
            """)
        let due = try? await past.store.due(at: .now, of: past.city.tenant.id, deletes: false, after: nil, limit: 10)
        _ = due
        let next = try #require(try await second.begin(at: .now, by: "second", afterGap: false))
        let again = try await past.store.due(at: .now, of: past.city.tenant.id, deletes: false, after: nil, limit: 10)
        await #expect(throws: RetentionError.self) {
            _ = try await past.store.anonymise(again, of: past.city.tenant.id, shard: 0, events: [], run: number)
        }
        #expect(try await past.texts("select outcome from retention_runs where number = \(number)") == ["interrupted"])
        _ = try await second.end(next, "finished")
        await second.close()
    }

    @Test("a changed, a removed and an added entry of the ledger are found; no service can change one")
    func ledgerIsChained() async throws {
        let past = try await PastCity()
        try await past.add(daysAgo: 400...410)
        try await past.retain()
        #expect(try await past.store.verify().isEmpty)
        await #expect(throws: PostgresError.self) { try await past.run("update retention_ledger set rows = 0") }
        let watch = try PostgresConnection(configuration: past.addresses.role("bus311_watch"))
        await #expect(throws: PostgresError.self) {
            try await watch.run { (session) throws(PostgresError) in try session.script("delete from retention_ledger") }
        }
        await watch.close()
        for change in ["update retention_ledger set rows = rows + 1 where number = 2", "delete from retention_ledger where number = 2"] {
            try await past.run(
                "alter table retention_ledger disable trigger append_only; \(change); alter table retention_ledger enable trigger append_only"
            )
            #expect(try await past.store.verify().map(\.entry).first.map { (2...3).contains($0) } == true)
        }
    }

    @Test("a month is taken out while a writer holds its table: it gives up at once, writers do not wait; then it goes")
    func detachDoesNotBlock() async throws {
        let past = try await PastCity()
        try await past.add(daysAgo: 450...460)
        try await past.add(daysAgo: 1...1)
        let month = try #require(try await past.texts("select to_char(now() - interval '455 days', 'YYMM')").first)
        let number = try #require(try await past.store.begin(at: .now, by: "test", afterGap: false))
        let attached = RetentionMonth(relation: "outbox", month: month, isAttached: true)
        let holder = try PostgresConnection(configuration: past.addresses.owner)
        try await holder.run { (session) throws(PostgresError) in try session.script("begin; select count(*) from outbox") }
        let start = ContinuousClock.now
        await #expect(throws: RetentionError.self) { _ = try await past.store.detach(attached, run: number) }
        #expect(start.duration(to: .now) < .seconds(2))
        try await holder.run { (session) throws(PostgresError) in try session.script("commit") }
        await holder.close()
        #expect(try await past.store.detach(attached, run: number))
        // Cut off here, the next run finds it.
        #expect(try await past.store.monthsOver(at: .now).contains(RetentionMonth(relation: "outbox", month: month, isAttached: false)))
        _ = try await past.store.end(number, "interrupted")
        try await past.retain()
        #expect(try await past.number("select count(*) from pg_class where relname = 'outbox_\(month)'") == 0)
        #expect(
            try await past.number("select count(*) from outbox where created_at > now() - interval '2 days' and type like '%created%'") == 1
        )
    }
}
