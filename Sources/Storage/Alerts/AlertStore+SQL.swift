import Postgres

enum AlertSQL {
    static let all = [
        lead, endOrphans, open, recentFirings, maintenance, mutes, insert, update, reopen, drop, sign, deliver, forgetAlerts,
        forgetDeliveries,
        forgetMaintenance, forgetMutes, tenants, failures, rejections, incidents, history, confirmedSince, take, sent, failed, giveUp,
    ]

    /// Ends with the session: one process evaluates, another takes over when it is gone.
    static let lead = Statement("alerts_lead", "select pg_try_advisory_lock(3184, 1)")

    // MARK: Episodes

    /// Nothing is wrong with a tenant that is no more.
    static let endOrphans = Statement(
        "alerts_end_orphans",
        """
        update alerts a set phase = 'ended', ended_at = now() where a.ended_at is null and a.tenant_id > 0
          and not exists (select from tenants t where t.id = a.tenant_id)
        """)

    static let open = Statement(
        "alerts_open",
        """
        select number, code, tenant_id, phase, severity, since, fired_at, clear_since, seen_at, facts, concerns_tenant, is_unstable, was_held,
               acknowledged_at, administrator_told_at, administrator_told, administrator_severity, manager_told_at, manager_told,
               manager_severity
        from alerts where ended_at is null
        """)

    static let recentFirings = Statement(
        "alerts_recent",
        """
        select code, tenant_id, count(*) from alerts
        where fired_at > $1::timestamptz - interval '1 hour' and ended_at is not null group by code, tenant_id
        """)

    static let maintenance = Statement(
        "alerts_in_maintenance", "select tenant_id from alert_maintenance where from_at <= $1::timestamptz and to_at > $1::timestamptz")

    static let mutes = Statement("alerts_muted", "select code, tenant_id from alert_mutes where until > $1::timestamptz")

    static let insert = Statement(
        "alerts_insert",
        """
        insert into alerts (code, tenant_id, phase, severity, since, fired_at, clear_since, ended_at, seen_at, facts, concerns_tenant,
            is_unstable, silence, was_held, administrator_told_at, administrator_told, administrator_severity, manager_told_at, manager_told,
            manager_severity)
        values ($1::text, $2::integer, $3::text, $4::smallint, $5::timestamptz, $6::timestamptz, $7::timestamptz, $8::timestamptz,
            $9::timestamptz, $10::jsonb, $11::boolean, $12::boolean, $13::text, $14::boolean, $15::timestamptz, $16::integer, $17::smallint,
            $18::timestamptz, $19::integer, $20::smallint)
        returning number
        """)

    /// It grew after somebody took care of it: what was acknowledged is another matter now. Whoever acknowledges at this moment is heard.
    static let reopen = Statement(
        "alerts_reopen",
        "update alerts set acknowledged_at = null, acknowledged_by = null where number = $1::bigint and acknowledged_at = $2::timestamptz")

    /// An acknowledgement is somebody else's word: it is not written here.
    static let update = Statement(
        "alerts_update",
        """
        update alerts set phase = $3::text, severity = $4::smallint, since = $5::timestamptz, fired_at = $6::timestamptz,
            clear_since = $7::timestamptz, ended_at = $8::timestamptz, seen_at = $9::timestamptz, facts = $10::jsonb,
            concerns_tenant = $11::boolean, is_unstable = $12::boolean, silence = $13::text, was_held = $14::boolean,
            administrator_told_at = $15::timestamptz, administrator_told = $16::integer, administrator_severity = $17::smallint,
            manager_told_at = $18::timestamptz, manager_told = $19::integer, manager_severity = $20::smallint
        where code = $1::text and tenant_id = $2::integer and ended_at is null
        """)

    static let drop = Statement("alerts_drop", "delete from alerts where number = $1::bigint and phase = 'pending'")

    static let sign = Statement(
        "alerts_sign", "select r.role, bus311_sign_alert_link($1::bigint, r.role, $3::bigint) from unnest($2::text[]) r (role)")

    static let deliver = Statement(
        "alerts_deliver",
        """
        insert into alert_deliveries (alert_number, tenant_id, channel, recipient, kind, subject, body, payload)
        values ($1::bigint, $2::integer, $3::text, $4::text, $5::text, $6::text, $7::text, $8::jsonb)
        returning number
        """)

    static let forgetAlerts = Statement("alerts_forget", "delete from alerts where ended_at < now() - interval '400 days'")
    static let forgetDeliveries = Statement(
        "alerts_forget_deliveries",
        "delete from alert_deliveries where created_at < now() - interval '90 days' and (sent_at is not null or given_up_at is not null)")

    static let forgetMaintenance = Statement(
        "alerts_forget_maintenance", "delete from alert_maintenance where to_at < now() - interval '400 days'")
    static let forgetMutes = Statement("alerts_forget_mutes", "delete from alert_mutes where until < now() - interval '1 day'")

    // MARK: Signs

    static let tenants = Statement(
        "alerts_tenants",
        """
        select t.id, t.key, t.name, t.language, t.time_zone, t.virtual_host, t.arrangement,
               array(select c.role from tenant_contacts c where c.tenant_id = t.id and c.email is not null)
        from tenants t order by t.id
        """)

    /// How often publishing failed within the last ten minutes, and who has an event that waits because the queue is full.
    static let failures = Statement(
        "alerts_failures",
        """
        select tenant_id, sum(failed)::bigint, bool_or(is_refused) from (
            select tenant_id, unpublished as failed, false as is_refused from refusal_counts
            where minute >= date_trunc('minute', $1::timestamptz - interval '10 minutes') and unpublished > 0
            union all
            select tenant_id, 0, true from outbox where attempts > 0 and state in ('pending', 'parked') and last_error = 'nack'
        ) both_ways group by tenant_id
        """)

    static let rejections = Statement(
        "alerts_rejections", "select tenant_id, refused from bus311_alert_rejections($1::timestamptz - interval '10 minutes')")

    static let incidents = Statement(
        "alerts_incidents",
        "select tenant_id, kind, min(number), coalesce(sum(messages), 0)::bigint from queue_incidents where settled_at is null group by tenant_id, kind"
    )

    static let history = Statement(
        "alerts_history",
        """
        select unacknowledged, unprogressed, statuses, first_status, last_status, requests, first_request, last_request, delivered_since
        from bus311_alert_history($1::integer, $2::timestamptz, $3::timestamptz, $4::text[], $5::timestamptz[])
        """)

    /// When the oldest of so many waiting messages was confirmed: the newest that were confirmed are those that wait.
    static let confirmedSince = Statement(
        "alerts_confirmed_since",
        """
        select min(o.confirmed_at) from (
            select confirmed_at from outbox where tenant_id = $1::integer and state = 'confirmed'
            order by seq desc limit $2::bigint) o
        """)

    // MARK: Deliveries

    /// Taken for two minutes: whoever dies with it leaves it to another.
    static let take = Statement(
        "alerts_take",
        """
        update alert_deliveries d set attempts = d.attempts + 1, next_attempt_at = now() + interval '2 minutes'
        from (select number from alert_deliveries where sent_at is null and given_up_at is null and next_attempt_at <= now()
              order by next_attempt_at limit $1::integer for update skip locked) due
        where d.number = due.number
        returning d.number, d.alert_number, d.tenant_id, d.channel, d.recipient, d.kind, d.subject, d.body, d.payload, d.attempts, d.created_at,
            (select c.email from tenant_contacts c where c.tenant_id = d.tenant_id
             and c.role = case d.recipient when 'manager' then 'manager' else 'technical_administrator' end)
        """)

    static let sent = Statement(
        "alerts_sent", "update alert_deliveries set sent_at = now(), last_error = null where number = $1::bigint and sent_at is null")

    static let failed = Statement(
        "alerts_failed",
        """
        update alert_deliveries set next_attempt_at = now() + make_interval(secs => $2::double precision), last_error = $3::text
        where number = $1::bigint and sent_at is null
        """)

    static let giveUp = Statement(
        "alerts_give_up",
        "update alert_deliveries set given_up_at = now(), last_error = $2::text where number = $1::bigint and sent_at is null")
}
