import Postgres

enum ReplaySQL {
    static let all = [
        insert, delete, rest, leftOut, step, find, queued, settle, parked, act, awaitDeadLetters, takeDeadLetters, leaveDeadLetters,
    ]

    private static let columns = """
        r.id, r.tenant_id, r.created_at, r.created_by, r.from_at, r.to_at, r.service_code, r.is_open, r.request_id,
        cardinality(r.event_ids), r.queued, r.finished_at
        """

    static let insert = Statement(
        "replay_insert",
        """
        insert into replays (tenant_id, created_by, from_at, to_at, service_code, is_open, request_id, event_ids)
        values ($1::integer, $2::text, $3::timestamptz, $4::timestamptz, $5::text, $6::boolean, $7::bigint, $8::uuid[])
        returning id
        """)

    static let delete = Statement("replay_delete", "delete from replays where id = $1::bigint")

    static let rest = Statement("replay_rest", "select events, bytes from bus311_replay_rest($1::bigint)")

    static let leftOut = Statement("replay_left_out", "select emptied, erased from bus311_replay_left_out($1::bigint)")

    static let step = Statement(
        "replay_step", "select queued_now, queued_in_all, is_done from bus311_replay_step($1::bigint, $2::integer)")

    static let find = Statement("replay_find", "select \(columns) from replays r where r.id = $1::bigint")

    /// Found by when the events came, for a block index on that costs nothing.
    static let queued = Statement(
        "replay_queued",
        """
        select o.event_id from replays r
        join outbox o on o.replay_id = r.id and o.tenant_id = r.tenant_id and o.created_at >= r.from_at and o.created_at < r.to_at
        where r.id = $1::bigint
        """)

    static let parked = Statement(
        "outbox_parked_list",
        """
        select o.seq, o.event_id, t.key, o.request_id, o.type, o.attempts, o.last_error, o.created_at
        from outbox o join tenants t on t.id = o.tenant_id where o.state = 'parked' order by o.seq limit $1::integer
        """)

    static let settle = Statement(
        "outbox_settle_parked", "select tenant, event from bus311_settle_parked($1::bigint, $2::boolean, $3::text)")

    static let act = Statement(
        "operator_act",
        "insert into operator_actions (who, what, tenant_id, detail) values ($1::text, $2::text, $3::integer, $4::text)")

    /// Both end with their session.
    static let awaitDeadLetters = Statement("dead_letters_await", "select pg_advisory_lock(3114, $1::integer)")
    static let takeDeadLetters = Statement("dead_letters_take", "select pg_try_advisory_lock(3114, $1::integer)")
    static let leaveDeadLetters = Statement("dead_letters_leave", "select pg_advisory_unlock(3114, $1::integer)")
}
