import Open311
import Postgres
import TestSupport
import Testing

@testable import Storage

@Suite("The counting of use")
struct UsageTests {
    private func owner(_ addresses: TestDatabase.Addresses, _ scripts: String...) async throws {
        let connection = try PostgresConnection(configuration: addresses.owner)
        for script in scripts {
            try await connection.run { (session) throws(PostgresError) in try session.script(script, within: .seconds(60)) }
        }
        await connection.close()
    }

    private func numbers(_ addresses: TestDatabase.Addresses, _ sql: String) async throws -> [String] {
        let connection = try PostgresConnection(configuration: addresses.owner)
        let statement = Statement("test_\(abs(sql.hashValue))", sql)
        let rows = try await connection.run { (session) throws(PostgresError) in
            try session.execute(statement).map { (row) throws(PostgresError) in try row.text(0) }
        }
        await connection.close()
        return rows
    }

    /// Two cities for eight hours that ended five hours ago, each kind of row: some twice, some of the test endpoint.
    private static let life = """
        insert into tenants (key, name, language, time_zone, shard, virtual_host, contact, key_service, created_at)
        select 'ville' || i || '-aaaaa' || i, 'Ville', 'fr', (array['Europe/Paris', 'Indian/Reunion'])[i], 0, '/', 'c', 'k', now() - interval '9 days'
        from generate_series(1, 2) i;
        alter table audit disable trigger append_only;
        create view life as
        select i, 1 + i % 2 as tenant, date_trunc('hour', now(), 'UTC') - interval '16 hours' + i * interval '97 seconds' as at,
               to_char(now() at time zone 'UTC' - interval '16 hours', 'YYMM')::bigint * 1000000000 + i as id from generate_series(0, 290) i;
        insert into service_requests (id, tenant_id, service_code, service_name, description, requested_at, updated_at, received_via, language, media_urls)
        select id, case when i % 29 = 0 then -tenant else tenant end, 'S' || i % 3, 's', 'd', at, at, 'app' || i % 2, 'fr', case when i % 4 = 0 then array['x'] else '{}' end
        from life;
        insert into reporters (request_id, tenant_id, email) select id, tenant, case when i % 2 = 0 then 'a@example.org' end from life where i % 3 > 0;
        insert into status_updates (request_id, update_id, tenant_id, fingerprint, occurred_at, received_at, applied, status)
        select id, 'u' || k, tenant, '', at, at + k * k * interval '7 minutes', k <> 2, (array['RECEIVED', 'IN_PROCESS', 'IN_PROCESS,X', 'closed', 'REJECTED'])[k]
        from life, generate_series(1, 5) k where i % 5 > 0 and i % 29 > 0;
        """
    private static let calls = """
        insert into audit (stored_at, tenant_id, at, direction, actor, operation, request_id, objects, result, duration_us, bytes_in, bytes_out, calls)
        select at + interval '1 second', tenant, at, d.direction, d.actor, d.operation, case when d.about then id end, d.objects, d.result,
               1000 + i * 31, 500, 200, d.calls
        from life cross join lateral (values
            ('in.http', 'k' || i % 2, 'POST requests', true, case when i % 29 = 0 then 'test' when i % 7 = 0 then 'repeated' end, '200', 1),
            ('in.http', 'k' || i % 2, 'POST requests', false, 'refused outside-boundary', '400', 1),
            ('in.http', null, 'GET services', false, null, '200', 40), ('in.http', null, 'GET requests', false, null, '503', 2),
            ('in.rest', 't1', 'PUT updates', true, 'applied', '201', 1), ('in.amqp', 'crm', 'status_update', true, null, 'refused', 1),
            ('out.amqp', 'relay', 'service_request.created.v1', true, null, 'confirmed', 1),
            ('out.amqp', 'relay', 'service_request.created.v1', true, 'replay 3', 'confirmed', 1)
        ) d (direction, actor, operation, about, objects, result, calls);
        insert into queue_consumers (tenant_id, consumer, consumes, seen_from, seen_until)
        select tenant, 'c' || i, i % 3 > 0, at, case when i < 280 then at + interval '4 minutes 1.234567 seconds' end from life where i % 2 = 0;
        """

    private func city() async throws -> TestDatabase.Addresses {
        let addresses = try await TestDatabase.shared.fresh()
        // The months before this one may be needed at the beginning of a month.
        try await owner(addresses, "select bus311_make_audit_partitions()", Self.life, Self.calls, Self.back)
        return addresses
    }

    private static let back =
        "update usage_cursor set counted_to = date_trunc('hour', now(), 'UTC') - interval '18 hours', settled_to = date_trunc('hour', now(), 'UTC') - interval '18 hours'"
    private static let counts = """
        select c::text from usage_counts c
        where n <> 0 and (measure <> 'watched' and measure not like 'crm%' or grain = 'hour' and starts_at < now() - interval '2 hours') order by 1
        """

    private func countAll(_ store: UsageStore, longest: Double = 3_600) async throws {
        while try await !store.step(longest: longest).isDone {}
    }

    @Test("any cutting into parts gives the same numbers, and they are those of the rows")
    func cutting() async throws {
        let addresses = try await city()
        let store = try UsageStore(configuration: addresses.role("bus311_watch"))
        try await countAll(store)
        let whole = try await numbers(addresses, Self.counts)
        #expect(whole.count > 300)
        let recount = """
            select count(*)::text from (
                select h.at, f.* from usage_cursor u, generate_series(date_trunc('hour', now(), 'UTC') - interval '18 hours', now(), interval '1 hour') h (at)
                cross join lateral bus311_usage_facts(h.at, least(h.at + interval '1 hour', u.counted_to)) f where h.at < u.counted_to
                except select starts_at, tenant_id, measure, service_code, channel, access_key, detail, n from usage_counts where grain = 'hour') d
            """
        #expect(try await numbers(addresses, recount) == ["0"])
        for longest in [1_741.0, 613, 3_599.999] {
            try await owner(addresses, "truncate usage_counts", Self.back)
            try await countAll(store, longest: longest)
            let cut = try await numbers(addresses, Self.counts)
            #expect(Set(cut).symmetricDifference(whole) == [], "parts of \(longest) s")
        }
        await store.close()
    }

    @Test(
        "several at once and again count each row once; a row that comes late is counted when its hour is settled; what goes later stays counted"
    )
    func onceOnly() async throws {
        let addresses = try await city()
        let requests = "select coalesce(sum(n), 0)::text from usage_counts where measure = 'requests' and grain = 'hour'"
        let expected = "280"
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<3 {
                group.addTask {
                    let store = try UsageStore(configuration: addresses.role("bus311_watch"))
                    // Not yet to the end: some hours are counted and not settled.
                    let moment = Timestamp.now.adding(seconds: -5 * 3_600 - Int64(number))
                    for _ in 0..<40 { _ = try await store.step(asOf: moment, longest: 900) }
                    await store.close()
                }
            }
            try await group.waitForAll()
        }
        let store = try UsageStore(configuration: addresses.role("bus311_watch"))
        let moment = Timestamp.now.adding(seconds: -5 * 3_600)
        while try await !store.step(asOf: moment).isDone {}
        #expect(try await numbers(addresses, requests) == [expected])

        // Half an hour before what is counted: its transaction was slow.
        try await owner(
            addresses,
            """
            insert into service_requests (id, tenant_id, service_code, service_name, description, requested_at, updated_at, received_via, language)
            select max(id) + 1, 1, 'LATE', 's', 'd', u.counted_to - interval '30 minutes', now(), 'app0', 'fr'
            from service_requests, usage_cursor u group by u.counted_to
            """)
        while try await !store.step(asOf: moment).isDone {}
        #expect(try await numbers(addresses, requests) == [expected])
        try await countAll(store)
        #expect(try await numbers(addresses, requests) == ["281"])
        let late = """
            select string_agg(grain || ' ' || n, ', ' order by grain) from usage_counts where service_code = 'LATE' and measure = 'requests'
            """
        #expect(try await numbers(addresses, late) == ["hour 1, month 1"])

        // Retention.
        let before = try await numbers(
            addresses, "select c::text from usage_counts c where measure <> 'watched' and measure not like 'crm%' order by 1")
        try await owner(addresses, "truncate service_requests, reporters, status_updates, photos")
        // Rows of the audit go by the month only.
        try await owner(
            addresses,
            """
            do $$ declare month regclass; begin
                for month in select inhrelid::regclass from pg_inherits where inhparent = 'audit'::regclass loop
                    execute format('drop table %s', month);
                end loop;
            end $$
            """)
        try await countAll(store)
        #expect(
            try await numbers(
                addresses, "select c::text from usage_counts c where measure <> 'watched' and measure not like 'crm%' order by 1") == before
        )
        await store.close()
    }

    @Test("requests, first answers, keys, refusals and the CRM's presence are what a person counts")
    func figures() async throws {
        let addresses = try await city()
        let counter = try UsageStore(configuration: addresses.role("bus311_watch"))
        try await countAll(counter)
        await counter.close()
        func sum(_ measure: String, _ more: String = "") async throws -> String {
            try await numbers(
                addresses, "select coalesce(sum(n), 0)::text from usage_counts where grain = 'hour' and measure = '\(measure)' \(more)")[0]
        }
        let requests = (0...290).filter { $0 % 29 > 0 }
        #expect(try await sum("requests") == "\(requests.count)")
        #expect(try await sum("with_photo") == "\(requests.count { $0 % 4 == 0 })")
        #expect(try await sum("identified") == "\(requests.count { $0 % 2 == 0 && $0 % 3 > 0 })")
        let spoken = requests.count { $0 % 5 > 0 }
        for measure in ["acknowledgement", "first_status", "closing"] { #expect(try await sum(measure) == "\(spoken)", "\(measure)") }
        // The second update was not applied, so that the third is the first progress: 63 minutes.
        let bucket = DurationHistogram.bucket(ofMicroseconds: 63 * 60_000_000)
        #expect(try await sum("first_status", "and detail = '\(bucket)'") == "\(spoken)")
        #expect(try await sum("statuses", "and detail = 'IN_PROCESS'") == "\(spoken)")
        #expect(try await sum("taken", "and access_key = 'k1'") == "\((0...290).count { $0 % 2 == 1 && $0 % 29 > 0 && $0 % 7 > 0 })")
        #expect(try await sum("duplicates") == "\((0...290).count { $0 % 29 > 0 && $0 % 7 == 0 })")
        #expect(try await sum("refusals", "and detail = 'outside-boundary'") == "291")
        #expect(try await sum("refusals", "and detail = 'status_message'") == "291")
        #expect(try await sum("calls", "and detail = 'GET services'") == "\(291 * 40)")
        #expect(try await sum("failures") == "582")
        #expect(try await sum("messages") == "582")
        #expect(try await sum("delivery") == "291")
        let values: [Int64] = [0, 1, 2, 1_000, 3_780_000_000]
        let buckets = try await numbers(
            addresses, "select bus311_usage_bucket(v)::text from unnest(array[0, 1, 2, 1000, 3780000000]::bigint[]) v")
        #expect(buckets == values.map { "\(DurationHistogram.bucket(ofMicroseconds: $0))" })
    }

    @Test("the CRM's role reads its own tenant's statistics only, and nobody's role writes them")
    func rights() async throws {
        let addresses = try await city()
        let counter = try UsageStore(configuration: addresses.role("bus311_watch"))
        try await countAll(counter)
        await counter.close()
        for (role, sql) in [
            ("bus311_status", "select bus311_usage_step(null, interval '1 hour')"), ("bus311_gateway", "select * from usage_counts"),
            ("bus311_admin", "delete from usage_counts"), ("bus311_watch", "update usage_cursor set counted_to = now()"),
            ("bus311_watch", "insert into usage_counts values (1, 'hour', now(), 'requests', '', '', '', '', 1)"),
        ] {
            let connection = try PostgresConnection(configuration: addresses.role(role))
            await #expect(throws: PostgresError.self, "\(role): \(sql)") {
                try await connection.run { (session) throws(PostgresError) in try session.script(sql) }
            }
            await connection.close()
        }
        let connection = try PostgresConnection(configuration: addresses.role("bus311_status"))
        let seen = try await connection.run { (session) throws(PostgresError) in
            let answers = try session.pipeline([
                RequestSQL.tenant(TenantID(2)), (Statement("seen", "select distinct tenant_id from usage_counts"), []),
            ])
            return try answers[1].map { (row) throws(PostgresError) in try row.int32(0) }
        }
        #expect(seen == [2])
        await connection.close()
    }
}
