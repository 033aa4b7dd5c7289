import Open311
import Operations
import Postgres
import Storage
import TestSupport

/// A city with a past: partitions of 27 months, and requests in them with all that hangs on one.
struct PastCity {
    let city: City
    let store: RetentionStore
    let owner: PostgresConnection
    let addresses: TestDatabase.Addresses

    init() async throws {
        addresses = try await TestDatabase.shared.fresh()
        city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        store = try RetentionStore(configuration: addresses.role("bus311_watch"))
        owner = try PostgresConnection(configuration: addresses.owner)
        try await run(
            """
            set timezone = 'UTC';
            do $$ declare m date; p text; begin
                for i in 0..27 loop
                    m := (date_trunc('month', now()) - make_interval(months => i))::date;
                    foreach p in array array['service_requests', 'reporters', 'outbox', 'status_updates'] loop
                        execute format('create table if not exists %I partition of %I for values from (%s) to (%s)', p || '_' || to_char(m, 'YYMM'), p,
                            to_char(m, 'YYMM')::bigint * 1000000000, (to_char(m, 'YYMM')::bigint + 1) * 1000000000);
                    end loop;
                    execute format('create table if not exists %I partition of audit for values from (%L) to (%L)', 'audit_' || to_char(m, 'YYMM'),
                        m::text || ' 00:00:00+00', (m + interval '1 month')::date::text || ' 00:00:00+00');
                end loop;
            end $$;
            """)
    }

    /// A request of each of these days ago, at the same time of day.
    func add(daysAgo days: ClosedRange<Int>, service: String = "LAMP", tenant: Int32? = nil) async throws {
        let own = tenant ?? city.tenant.id.rawValue
        try await run(
            """
            set timezone = 'UTC';
            create temporary table made as
                select to_char(now() - make_interval(days => d), 'YYMM')::bigint * 1000000000 + nextval('outbox_number') as id,
                       now() - make_interval(days => d) as at
                from generate_series(\(days.lowerBound), \(days.upperBound)) d;
            insert into service_requests (id, tenant_id, service_code, service_name, description, requested_at, updated_at, lat, long, address,
                                          answers, received_via, language, title, media_urls)
                select id, \(own), '\(service)', 'n', 'canary text', at, at, 43.61234, 3.87654, '1 canary street', '[{"a": "canary"}]', 'api', 'fr',
                       'canary', '{/media/0.jpg}' from made;
            insert into reporters (request_id, tenant_id, first_name, email) select id, \(own), 'canary', 'canary@example.org' from made;
            insert into status_updates (request_id, update_id, tenant_id, fingerprint, occurred_at, received_at, applied, status, status_notes)
                select id, 'u', \(own), 'x', at, at, true, 'IN_PROCESS', 'canary' from made;
            insert into citizen_updates (request_id, tenant_id, api_key, update_id, fingerprint, occurred_at, received_at, status, description)
                select id, \(own), 'k', 'u', 'x', at, at, 'open', 'canary' from made;
            insert into moderations (request_id, tenant_id, decided_at, state, reason, decided_by) select id, \(own), at, 'hidden', 'canary', 'w' from made;
            insert into photos (request_id, tenant_id, position, token, state, received_at, original_type, original_bytes, original_sha256, lat, long,
                                public_sha256, small_sha256)
                select id, \(own), 1, md5(id::text), 'ready', at, 'JPEG', 1, sha256('canary'), 43.6, 3.8, sha256('canary'), sha256('canary') from made;
            insert into client_references (tenant_id, key, fingerprint, request_id, created_at) select \(own), 'canary-' || id, 'x', id, at from made;
            insert into outbox (seq, event_id, tenant_id, shard, request_id, request_sequence, type, body, state, created_at, confirmed_at)
                select id, gen_random_uuid(), \(own), 0, id, 1, 'service_request.created.v1', 'canary', 'confirmed', at, at from made where \(own) > 0;
            drop table made;
            """)
    }

    /// As the watch does it, without its pauses.
    @discardableResult
    func retain(daysAgo days: Int = 0) async throws -> RetentionRun.Report? {
        try await RetentionRun(store: store, origin: Fixtures.origin, pace: .hurried)(
            at: Timestamp.now.adding(days: Int64(-days)), by: "test")
    }

    func run(_ sql: String) async throws {
        try await owner.run { (session) throws(PostgresError) in try session.script(sql, within: .seconds(60)) }
    }

    func number(_ sql: String) async throws -> Int64 {
        try await owner.run { (session) throws(PostgresError) in
            try session.execute(Statement("test_\(abs(sql.hashValue))", sql)).first?.int64(0) ?? 0
        }
    }

    func texts(_ sql: String) async throws -> [String] {
        try await owner.run { (session) throws(PostgresError) in
            try session.execute(Statement("test_\(abs(sql.hashValue))", sql)).map { (row) throws(PostgresError) in row.optionalText(0) ?? ""
            }
        }
    }

    /// Rows of a table as of an action, over all runs.
    func ledger(_ relation: String, _ action: String) async throws -> Int64 {
        try await number(
            "select coalesce(sum(rows), 0)::bigint from retention_ledger where relation = '\(relation)' and action = '\(action)'")
    }
}
