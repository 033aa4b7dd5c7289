import Postgres

enum QueueWatchSQL {
    static let all = [
        tenants, present, appear, vanish, forget, oldest, notice, drift, driftEnds, open, settle, settleByReplay, consumersAt,
    ]

    static let tenants = Statement("watch_tenants", "select id, key, virtual_host from tenants order by id")

    static let present = Statement(
        "watch_consumers_present",
        "select tenant_id, consumer, consumes from queue_consumers where seen_until is null")

    static let appear = Statement(
        "watch_consumer_appears",
        """
        insert into queue_consumers (tenant_id, consumer, consumes) values ($1::integer, $2::text, $3::boolean)
        on conflict (tenant_id, consumer, consumes) where seen_until is null do nothing
        """)

    static let vanish = Statement(
        "watch_consumer_vanishes",
        """
        update queue_consumers set seen_until = now()
        where tenant_id = $1::integer and consumer = $2::text and consumes = $3::boolean and seen_until is null
        """)

    /// Dead letters live for thirty days.
    static let forget = Statement("watch_consumers_forget", "delete from queue_consumers where seen_until < now() - interval '40 days'")

    /// When the oldest of a queue's messages came: the newest that were confirmed are those that wait.
    static let oldest = Statement(
        "watch_oldest",
        """
        select min(o.created_at) from (
            select created_at from outbox where tenant_id = $1::integer and state = 'confirmed' and request_id is not null
            order by seq desc limit $2::bigint) o
        """)

    /// A second watch that noticed the same, or more that was lost at once, widens the first note.
    static let notice = Statement(
        "watch_notice",
        """
        with same as (
            update queue_incidents set replay_to = greatest(replay_to, $6::timestamptz), replay_from = least(replay_from, $5::timestamptz),
                messages = greatest(messages, $4::bigint)
            where tenant_id = $1::integer and kind = $2::text and settled_at is null and noticed_at > now() - interval '30 seconds'
            returning number
        ), new as (
            insert into queue_incidents (tenant_id, kind, detail, messages, replay_from, replay_to)
            select $1::integer, $2::text, $3::text, $4::bigint, $5::timestamptz, $6::timestamptz where not exists (select from same)
            returning number
        )
        select number, true from new union all select number, false from same
        """)

    static let drift = Statement(
        "watch_drift",
        """
        insert into queue_incidents (tenant_id, kind, detail) values ($1::integer, 'config_drift', $2::text)
        on conflict (tenant_id) where settled_at is null and kind = 'config_drift' do update set detail = excluded.detail
        """)

    static let driftEnds = Statement(
        "watch_drift_ends",
        """
        update queue_incidents set settled_at = now(), settled_by = 'watch', settlement = 'as it should be again'
        where kind = 'config_drift' and settled_at is null and tenant_id = any ($1::integer[])
        """)

    static let open = Statement(
        "incidents_list",
        """
        select i.number, t.key, i.kind, i.detail, i.messages, i.replay_from, i.replay_to, i.noticed_at, i.settled_at, i.settled_by,
               i.settlement
        from queue_incidents i join tenants t on t.id = i.tenant_id
        where $1::boolean or i.settled_at is null order by i.number desc limit 1000
        """)

    static let settle = Statement(
        "incidents_settle",
        """
        update queue_incidents set settled_at = now(), settled_by = $2::text, settlement = $3::text
        where number = $1::bigint and settled_at is null returning tenant_id
        """)

    /// A whole replay of a window settles what was lost in it.
    static let settleByReplay = Statement(
        "incidents_settle_by_replay",
        """
        update queue_incidents i set settled_at = now(), settled_by = $2::text, settlement = 'replay ' || r.id
        from replays r
        where r.id = $1::bigint and r.finished_at is not null and r.service_code is null and r.is_open is null and r.request_id is null
          and r.event_ids is null and i.tenant_id = r.tenant_id and i.settled_at is null and r.from_at <= i.replay_from
          and r.to_at >= i.replay_to
        returning i.number
        """)

    /// Who was there about each of these moments; the watch looks every five seconds.
    static let consumersAt = Statement(
        "consumers_at",
        """
        select m.at, coalesce(array_agg(distinct c.consumer order by c.consumer) filter (where c.consumes), array[]::text[]),
               array_agg(distinct c.consumer order by c.consumer)
        from unnest($2::timestamptz[]) m (at)
        join queue_consumers c on c.tenant_id = $1::integer and c.seen_from <= m.at + interval '10 seconds'
            and (c.seen_until is null or c.seen_until >= m.at - interval '5 seconds')
        group by m.at
        """)
}
