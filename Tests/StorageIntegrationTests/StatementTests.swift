import Postgres
import Storage
import TestSupport
import Testing

@Suite("The schema and its statements")
struct StatementTests {
    @Test("every named statement prepares against the migrated schema, and names are unique")
    func statementsPrepare() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let connection = try PostgresConnection(configuration: addresses.owner)
        for statement in Statements.all {
            try await connection.run { (session) throws(PostgresError) in
                try session.script("prepare \(statement.name) as \(statement.sql)")
            }
        }
        #expect(Set(Statements.all.map(\.name)).count == Statements.all.count)
        await connection.close()
    }

    @Test("migrations applied twice change nothing the second time")
    func migrationsAreRepeatable() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let again = try await MigrationRunner(configuration: addresses.owner, directory: TestDatabase.migrations).run()
        #expect(again.isEmpty)
    }

    @Test(
        "the hot statements use an index",
        arguments: [
            ("requests_find", "1, array[2611000000001::bigint]", "Index"),
            ("requests_list", "1, 2600000000000, now() - interval '90 days', now(), now(), 1, null, null, 1000, 0", "service_requests_"),
            ("outbox_pending", "1::smallint, 0, 200, array[]::integer[]", "outbox_"),
            ("outbox_ahead", "1::smallint, 0, 1000", "outbox_"),
            ("outbox_chosen", "1::smallint, array[2611000000001::bigint], 2611000000001, 2611000000001", "_pkey"),
            (
                "outbox_confirm",
                "array[2611000000001::bigint], 2611000000001, 2611000000001, array[now()], array[1::bigint], array[''::bytea]", "_pkey"
            ),
            ("photos_take", "45, false", "photos_waiting"), ("photos_take_link", "180", "photos_linked"),
            ("photos_unknown_originals", "array['00000000000000000000000000000000']", "photos_"),
            (
                "audit_page",
                "1, now() - interval '1 day', now(), null, null, null, null, null, null, now() - interval '1 day', 0, 100", "audit_"
            ),
            ("places_find", "1, array['p-17']", "places_pkey"),
            ("places_known_parkings", "1, array['k-1']", "places_"),
            (
                "places_search",
                "1, false, null, null, null, null, null, array[480978320], null, 43.6, 3.2, 300, 43.6, 3.2, null, null, 20, 0, null, null, null, null",
                "place_cells_pkey"
            ),
            ("directory_tenant", "1", "tenants_pkey"),
            ("status_known", "1, array[2611000000001::bigint], array['u-1']", "Index"),
            ("status_lock", "1, array[2611000000001::bigint]", "Index"), ("status_history", "1, array[2611000000001::bigint]", "Index"),
            ("status_names", "1, array['reference'], array['GRC-1']", "request_names_pkey"),
            ("requests_named", "1, array['CRM-1']", "request_names_pkey"),
            ("token_lock", "1, '9f86d081884c7d659a2feaa0c55ad015'", "token"),
        ])
    func hotStatementsUseAnIndex(name: String, values: String, index: String) async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let statement = try #require(Statements.all.first { $0.name == name })
        let connection = try PostgresConnection(configuration: addresses.owner)
        let plan = try await connection.run { (session) throws(PostgresError) in
            // Empty tables are always scanned: ask what the planner can do, not what it prefers.
            try session.script("set enable_seqscan = off; prepare hot as \(statement.sql)")
            return try session.execute(Statement("explain", "explain (format text) execute hot(\(values))")).map {
                (row) throws(PostgresError) in try row.text(0)
            }
        }
        let text = plan.joined(separator: "\n")
        #expect(text.contains("Index") && text.contains(index), "\(text)")
        #expect(!text.contains("Seq Scan on service_requests") && !text.contains("Seq Scan on outbox"), "\(text)")
        #expect(!text.contains("Seq Scan on place"), "\(text)")
        await connection.close()
    }
}
