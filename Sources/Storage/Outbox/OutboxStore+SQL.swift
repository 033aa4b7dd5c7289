import Postgres

enum OutboxSQL {
    static let all = [lead, touch, appear, locks, pending, erased, ahead, chosen, confirm, postpone, park, statistics, parked]

    /// A session lock: it ends with the connection, so a dead relay never keeps a shard.
    static let lead = Statement("outbox_lead", "select pg_try_advisory_lock(3111, $1::integer)")
    static let touch = Statement("outbox_touch", "select 1")

    /// A number of the session's own: taken again it costs nothing and stays one lock.
    static let appear = Statement(
        "outbox_appear",
        """
        select pg_advisory_lock(3112, pg_backend_pid()) where not exists (
            select from pg_locks where pid = pg_backend_pid() and locktype = 'advisory' and classid = 3112)
        """)

    /// Relays that live, and shards that are led.
    static let locks = Statement(
        "outbox_locks",
        """
        select classid = 3112, objid::bigint from pg_locks
        where locktype = 'advisory' and classid in (3111, 3112) and objsubid = 2 and granted
          and database = (select oid from pg_database where datname = current_database())
        """)

    /// What waits behind a refused event of the same request is left out: a request's events reach the CRM in order.
    ///
    /// Shard and number are compared as a pair, and are what the rows are ordered by, because only the index of what waits has both. By the
    /// number alone the planner may take the primary key, once it has seen a table where nearly everything waits, and read a month of
    /// settled events to find the first that is not. Tenants are looked up for what is read, not for all that waits.
    static let pending = Statement(
        "outbox_pending",
        """
        select o.seq, o.event_id, o.tenant_id, t.key, t.virtual_host, o.request_id, o.request_sequence, o.type, o.body, o.attempts,
               o.created_at, o.correlation_id, o.replay_id, t.contract_sunset, o.traceparent
        from (
            select o.* from outbox o
            where (o.shard, o.seq) > ($1::smallint, $2::bigint) and o.shard <= $1::smallint and o.seq > $2::bigint and o.state = 'pending'
              and (o.next_attempt_at is null or o.next_attempt_at <= now()) and o.tenant_id <> all ($4::integer[])
              and (o.request_sequence < 2 or o.replay_id is not null or not exists (
                  select from outbox e
                  where e.request_id = o.request_id and e.attempts > 0 and e.state in ('pending', 'parked')
                    and e.request_sequence < o.request_sequence and e.replay_id is null
                    and (e.state = 'parked' or e.next_attempt_at > now())))
            order by o.shard, o.seq limit $3::integer
        ) o join tenants t on t.id = o.tenant_id
        order by o.shard, o.seq
        """)

    static let erased = Statement("outbox_erased", "select request_id from erasures where request_id = any($1::bigint[])")

    /// Whose events wait behind what was read, and no more of them than that.
    static let ahead = Statement(
        "outbox_ahead",
        """
        select o.seq, o.tenant_id, o.request_sequence from outbox o
        where (o.shard, o.seq) > ($1::smallint, $2::bigint) and o.shard <= $1::smallint and o.seq > $2::bigint and o.state = 'pending'
          and o.next_attempt_at is null
        order by o.shard, o.seq limit $3::integer
        """)

    /// Some of those. Only what no earlier event of its request can wait before.
    static let chosen = Statement(
        "outbox_chosen",
        """
        select o.seq, o.event_id, o.tenant_id, t.key, t.virtual_host, o.request_id, o.request_sequence, o.type, o.body, o.attempts,
               o.created_at, o.correlation_id, o.replay_id, t.contract_sunset, o.traceparent
        from outbox o join tenants t on t.id = o.tenant_id
        where o.seq = any($2::bigint[]) and o.seq between $3::bigint and $4::bigint and o.shard = $1::smallint and o.state = 'pending'
          and o.request_sequence < 2 and o.next_attempt_at is null
        order by o.seq
        """)

    /// With the row of the audit for each; the body stays in its row. Bounds, because an array prunes no partition; `<>`, because
    /// `= 'pending'` lets the planner take the index of what waits, which holds an entry for all that was settled since the last vacuum.
    static let confirm = Statement(
        "outbox_confirm",
        """
        with settled as (
            update outbox o set state = 'confirmed', confirmed_at = now(), published_at = given.published_at
            from unnest($1::bigint[], $4::timestamptz[], $5::bigint[], $6::bytea[]) as given (seq, published_at, latency, digest)
            where o.seq = given.seq and o.seq between $2::bigint and $3::bigint and o.state <> 'confirmed'
            returning o.tenant_id, o.published_at, o.type, o.request_id, o.replay_id, given.latency, length(o.body) as bytes, o.event_id,
                      o.traceparent, given.digest
        )
        insert into audit (tenant_id, at, direction, actor, operation, request_id, objects, result, duration_us, bytes_in, bytes_out,
                           correlation_id, trace_id, body_sha256)
        select tenant_id, published_at, 'out.amqp', 'relay', type, request_id, 'replay ' || replay_id, 'confirmed', latency, 0, bytes,
               event_id::text, decode(substr(traceparent, 4, 32), 'hex'), digest
        from settled
        """)

    static let postpone = Statement(
        "outbox_postpone",
        """
        with refused as (
            update outbox
            set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $2::double precision), last_error = $3::text
            where seq = any($1::bigint[]) and state = 'pending'
            returning tenant_id, request_id, event_id, type, body, traceparent
        )
        \(audited(objects: "null", why: "$3"))
        """)

    static let park = Statement(
        "outbox_park",
        """
        with refused as (
            update outbox set state = 'parked', attempts = attempts + 1, last_error = $2::text
            where seq = any($1::bigint[]) and state = 'pending'
            returning tenant_id, request_id, event_id, type, body, traceparent
        )
        \(audited(objects: "'parked'", why: "$2"))
        """)

    /// What became of `refused`, and by which parameter it is told why. That it failed is counted for the alerts, unless the queue is full.
    private static func audited(objects: String, why: String) -> String {
        """
        , counted as (
            insert into refusal_counts as c (tenant_id, minute, refused, unpublished)
            select tenant_id, date_trunc('minute', now()), 0, count(*) from refused
            where \(why)::text <> 'nack' group by tenant_id order by tenant_id
            on conflict (tenant_id, minute) do update set unpublished = c.unpublished + excluded.unpublished
        )
        insert into audit (tenant_id, at, direction, actor, operation, request_id, objects, result, duration_us, bytes_in, bytes_out,
                           correlation_id, trace_id, body_sha256)
        select tenant_id, now(), 'out.amqp', 'relay', type, request_id, \(objects), \(why)::text, 0, 0,
               length(body), event_id::text, decode(substr(traceparent, 4, 32), 'hex'), sha256(body)
        from refused
        """
    }

    static let parked = Statement(
        "outbox_parked",
        """
        select t.key, count(o.seq) from tenants t left join outbox o on o.tenant_id = t.id and o.state = 'parked' group by t.key order by t.key
        """)

    static let statistics = Statement(
        "outbox_statistics",
        """
        select shard, count(*) filter (where state = 'pending'), min(created_at) filter (where state = 'pending'),
               count(*) filter (where state = 'parked')
        from outbox where state in ('pending', 'parked') group by shard order by shard
        """)
}
