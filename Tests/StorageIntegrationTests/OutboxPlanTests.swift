import Postgres
import TestSupport
import Testing

@testable import Storage

/// The table of events is filled and emptied within minutes, so whatever its statistics say is wrong.
@Suite("What waits is read from its own index, in order, whatever the statistics say")
struct OutboxPlanTests {
    enum Past: String, CaseIterable {
        case neverAnalysed, analysedWhileAllWaited, analysedWhileNothingWaited

        var script: String {
            let settle = "update outbox set state = 'confirmed' where seq <= (select max(seq) - 300 from outbox)"
            switch self {
            case .neverAnalysed: return settle
            case .analysedWhileAllWaited: return "analyze outbox; \(settle)"
            case .analysedWhileNothingWaited:
                return """
                    update outbox set state = 'confirmed'; analyze outbox;
                    update outbox set state = 'pending' where seq > (select max(seq) - 300 from outbox)
                    """
            }
        }
    }

    @Test(arguments: Past.allCases, ["outbox_pending(3::smallint, 0, 200, '{}')", "outbox_ahead(3::smallint, 0, 200)"])
    func order(past: Past, call: String) async throws {
        let addresses = try await TestDatabase.shared.fresh()
        try await addresses.script(
            """
            do $$ declare part regclass; begin
                for part in select inhrelid from pg_inherits where inhparent = 'outbox'::regclass loop
                    execute format('alter table %s set (autovacuum_enabled = false)', part);
                end loop;
            end $$;
            insert into outbox (event_id, tenant_id, shard, request_sequence, type, body)
            select gen_random_uuid(), 1, 3, 0, 'service_request.created.v1', decode(repeat('7b', 1000), 'hex') from generate_series(1, 5000);
            \(past.script);
            """)
        let connection = try PostgresConnection(configuration: addresses.owner.readingInOrder)
        let plan = try await connection.run { (session) throws(PostgresError) in
            for statement in [OutboxSQL.pending, OutboxSQL.ahead] { try session.script("prepare \(statement.name) as \(statement.sql)") }
            return try session.execute(Statement("explain", "explain (costs off) execute \(call)")).map { (row) throws(PostgresError) in
                try row.text(0)
            }
        }.joined(separator: "\n")
        await connection.close()
        #expect(plan.contains("_shard_seq_idx on outbox_"), "\(plan)")
        // What an earlier event of the same request may hold back is looked up one by one, in a few rows.
        let outer = plan.split(separator: "\n").filter { !$0.contains(" e_") && !$0.contains("request_id_idx") }.joined(separator: "\n")
        for costly in ["_pkey on outbox_", "Seq Scan on outbox_", "Seq Scan on tenants", "Sort\n", "Bitmap"] {
            #expect(!outer.contains(costly), "\(plan)")
        }
    }
}
