import Open311
import Postgres

enum AuditSQL {
    static let all = [
        begin, seen, add, addDirectly, page, latest, days, floor, tenantsOfDay, dayRows, seals, seal, writers, numbers, missing,
        unwrittenEvents, recover, partitions,
    ]

    static let begin = Statement("audit_begin", "select bus311_audit_begin($1::text)")
    static let seen = Statement("audit_seen", "select bus311_audit_seen($1::integer, $2::bigint, $3::bigint, $4::boolean)")

    /// Zero stands for no request: arrays of numbers have no nulls here.
    static let add = Statement(
        "audit_add",
        """
        insert into audit (tenant_id, at, direction, actor, operation, request_id, objects, result, duration_us, bytes_in, bytes_out,
                           calls, correlation_id, trace_id, body_sha256, writer, number)
        select tenant_id, at, direction, actor, operation, nullif(request_id, 0), objects, result, duration_us, bytes_in, bytes_out,
               calls, correlation_id, trace_id, body_sha256, $17::integer, number
        from unnest($1::integer[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[],
                    $9::bigint[], $10::bigint[], $11::bigint[], $12::integer[], $13::text[], $14::bytea[], $15::bytea[], $16::bigint[])
            as given (tenant_id, at, direction, actor, operation, request_id, objects, result, duration_us, bytes_in, bytes_out, calls,
                      correlation_id, trace_id, body_sha256, number)
        """)

    /// In one transaction with what it tells: no process numbers these.
    static let addDirectly = Statement(
        "audit_add_directly",
        """
        insert into audit (tenant_id, at, direction, actor, operation, request_id, objects, result, duration_us, bytes_in, bytes_out,
                           calls, correlation_id, trace_id, body_sha256)
        select tenant_id, at, direction, actor, operation, nullif(request_id, 0), objects, result, duration_us, bytes_in, bytes_out,
               calls, correlation_id, trace_id, body_sha256
        from unnest($1::integer[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[],
                    $9::bigint[], $10::bigint[], $11::bigint[], $12::integer[], $13::text[], $14::bytea[], $15::bytea[])
            as given (tenant_id, at, direction, actor, operation, request_id, objects, result, duration_us, bytes_in, bytes_out, calls,
                      correlation_id, trace_id, body_sha256)
        """)

    static func parameters(_ rows: [AuditBuffer.Row], writer: Int32) -> [Parameter] {
        parameters(rows.map(\.entry)) + [.int64s(rows.map(\.number)), .int32(writer)]
    }

    /// The first fifteen of ``add``, all of ``addDirectly``.
    static func parameters(_ entries: [AuditEntry]) -> [Parameter] {
        [
            .int32s(entries.map { $0.tenant?.production.rawValue ?? 0 }), .timestamps(entries.map { $0.at.microseconds }),
            .texts(entries.map(\.direction.rawValue)), .texts(entries.map(\.actor)), .texts(entries.map(\.operation)),
            .int64s(entries.map { $0.request?.rawValue ?? 0 }), .texts(entries.map(\.objects)), .texts(entries.map(\.result)),
            .int64s(entries.map { microseconds($0.duration) }), .int64s(entries.map { Int64($0.bytesIn) }),
            .int64s(entries.map { Int64($0.bytesOut) }), .int32s(entries.map { Int32(clamping: $0.calls) }),
            .texts(entries.map { $0.correlationID.map(AuditCorrelation.kept) }), .byteStrings(entries.map { $0.traceID }),
            .byteStrings(entries.map(\.bodyHash)),
        ]
    }

    private static func microseconds(_ duration: Duration) -> Int64 {
        let parts = duration.components
        return parts.seconds * 1_000_000 + parts.attoseconds / 1_000_000_000_000
    }

    // MARK: Reading

    static let columns = """
        a.stored_at, a.id, a.tenant_id, a.at, a.direction, a.actor, a.operation, a.request_id, a.objects, a.result, a.duration_us,
        a.bytes_in, a.bytes_out, a.calls, a.correlation_id, a.trace_id, a.body_sha256, a.writer, a.number
        """

    /// $1 tenant, $2 from, $3 to, $4 direction, $5 actor, $6 operation, $7 request, $8 result, $9 correlation or trace.
    /// A row is stored when its call is over, at most two days late.
    private static let wanted = """
        a.tenant_id = $1::integer and a.stored_at >= $2::timestamptz and a.stored_at < $3::timestamptz + interval '2 days'
          and a.at >= $2::timestamptz and a.at < $3::timestamptz
          and ($4::text is null or a.direction = $4::text) and ($5::text is null or a.actor = $5::text)
          and ($6::text is null or a.operation = $6::text) and ($7::bigint is null or a.request_id = $7::bigint)
          and ($8::text is null or a.result = $8::text)
          and ($9::text is null or a.correlation_id = $9::text or encode(a.trace_id, 'hex') = $9::text)
        """

    /// Oldest first, behind ($10, $11).
    static let page = Statement(
        "audit_page",
        """
        select \(columns) from audit a
        where \(wanted) and (a.stored_at, a.id) > ($10::timestamptz, $11::bigint)
        order by a.stored_at, a.id limit $12::integer
        """)

    /// Newest first.
    static let latest = Statement(
        "audit_latest", "select \(columns) from audit a where \(wanted) order by a.stored_at desc, a.id desc limit $10::integer")

    // MARK: Sealing

    /// The days that are over for ten minutes and not sealed for the installation, oldest first.
    static let days = Statement(
        "audit_days",
        """
        select d::date::text from generate_series(
            coalesce((select max(day) + 1 from audit_seals where tenant_id = 0),
                     (select (min(stored_at) at time zone 'UTC')::date from audit)),
            ((now() - interval '10 minutes') at time zone 'UTC')::date - 1, interval '1 day') d
        """)

    /// The first day whose rows must be there.
    static let floor = Statement("audit_floor", "select bus311_audit_floor()::text")

    static let tenantsOfDay = Statement(
        "audit_tenants",
        """
        select distinct tenant_id from audit
        where stored_at >= $1::text::date at time zone 'UTC' and stored_at < ($1::text::date + 1) at time zone 'UTC' and tenant_id <> 0
        order by tenant_id
        """)

    /// All rows of a tenant's day, behind ($3, $4), as they are hashed.
    static let dayRows = Statement(
        "audit_day",
        """
        select \(columns) from audit a
        where a.tenant_id = $1::integer and a.stored_at >= $2::text::date at time zone 'UTC'
          and a.stored_at < ($2::text::date + 1) at time zone 'UTC' and (a.stored_at, a.id) > ($3::timestamptz, $4::bigint)
        order by a.stored_at, a.id limit $5::integer
        """)

    static let seals = Statement(
        "audit_seals",
        "select tenant_id, day::text, rows, previous, digest, sealed_at from audit_seals order by day, tenant_id")

    static let seal = Statement(
        "audit_seal",
        """
        insert into audit_seals (tenant_id, day, rows, previous, digest)
        values ($1::integer, $2::text::date, $3::bigint, $4::bytea, $5::bytea) on conflict do nothing
        """)

    // MARK: What is missing

    /// Each writer with how many of its numbers are there.
    static let writers = Statement(
        "audit_writers_list",
        """
        select w.id, w.service, w.began_at, w.seen_at, w.last_number, w.lost,
               w.ended_at is null and w.seen_at < now() - interval '60 seconds'
        from audit_writers w where w.began_at >= $1::timestamptz order by w.id
        """)

    static let numbers = Statement(
        "audit_numbers",
        """
        select writer, count(distinct number), coalesce(max(number), 0) from audit
        where stored_at >= $1::timestamptz and writer is not null group by writer
        """)

    static let missing = Statement(
        "audit_missing", "select count(*) from bus311_audit_missing($1::timestamptz, $2::timestamptz)")

    /// Events that were settled as confirmed, which writes their row in the same transaction, and whose row is not there.
    static let unwrittenEvents = Statement(
        "audit_unwritten_events",
        """
        select count(*) from outbox o
        where o.state = 'confirmed' and o.published_at is not null and o.last_error is distinct from 'erased'
          and o.confirmed_at >= greatest($1::timestamptz, (select min(began_at) from audit_writers))
          and o.seq >= to_char($1::timestamptz at time zone 'UTC' - interval '2 months', 'YYMM')::bigint * 1000000000
          and not exists (
              select from audit a
              where a.tenant_id = o.tenant_id and a.stored_at = o.confirmed_at and a.stored_at >= $1::timestamptz and a.direction = 'out.amqp'
                and a.correlation_id = o.event_id::text)
        """)
    static let recover = Statement("audit_recover", "select bus311_audit_recover($1::timestamptz, $2::timestamptz)")
    static let partitions = Statement("audit_partitions", "select bus311_make_audit_partitions(3)")
}
