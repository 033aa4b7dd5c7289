-- As before, from the requests themselves: statuses have no index by tenant, and a thousand tenants would each look through all of them.
-- A request's last status stands for its statuses: rhythms come out slower than they are, never faster.
create or replace function bus311_alert_history(tenant integer, ack_before timestamptz, progress_before timestamptz, horizon timestamptz)
returns table (unacknowledged bigint, unprogressed bigint, statuses bigint, first_status timestamptz, last_status timestamptz,
               requests bigint, first_request timestamptz, last_request timestamptz, delivered_since timestamptz)
language sql stable security definer set search_path = public as $$
    with own as materialized (
        select r.id, r.requested_at, r.open, r.updated_at, r.external_reference is not null or r.status_occurred_at is not null as is_known,
               r.status_occurred_at is not null as has_status
        from service_requests r
        where r.tenant_id = tenant and r.requested_at >= horizon and r.requested_at <= now()
    ), spoken as materialized (
        select count(*) filter (where updated_at >= now() - interval '30 days') as n,
               min(updated_at) filter (where updated_at >= now() - interval '30 days') as first, max(updated_at) as last
        from own where has_status
    ), silent as (
        select (select min(x.confirmed_at) from outbox x
                where x.created_at = o.requested_at and x.request_id = o.id and x.tenant_id = tenant and x.state = 'confirmed'
                  and x.request_sequence < 2 and x.seq >= o.id / 1000000000 * 1000000000) as confirmed_at
        from own o
        where o.open and not o.is_known and o.requested_at < ack_before
          -- A word that changed nothing is a word.
          and not exists (select from status_updates s where s.request_id = o.id)
        order by o.requested_at desc limit 1000
    )
    select (select count(*) from silent where confirmed_at < ack_before),
           (select count(*) from own o where o.open and o.is_known and o.updated_at < progress_before),
           spoken.n, spoken.first, spoken.last,
           (select count(*) from own where requested_at >= now() - interval '30 days'),
           (select min(requested_at) from own where requested_at >= now() - interval '30 days'), (select max(requested_at) from own),
           (select min(o.requested_at) from own o where o.requested_at > coalesce(spoken.last, '-infinity'))
    from spoken
$$;
