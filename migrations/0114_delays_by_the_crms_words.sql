-- Delays and silences are counted from what the CRM said, when it said it. `updated_at` moves for other reasons too: a photo that is
-- renewed or expires, moderation, tokens, duplicates, the nightly retention.
--
-- When the CRM last said something that citizens see. Null before it did.
alter table service_requests add column progress_at timestamptz;

update service_requests r set progress_at = s.last
from (select request_id, max(received_at) as last from status_updates
      where applied and (status is not null or status_notes is not null or agency_responsible is not null or expected_at is not null
                         or service_notice is not null or merged_into is not null)
      group by request_id) s
where s.request_id = r.id and r.open and r.erased_at is null;

-- What waits for the CRM, however old: first without its word (the word's moment is null), by age; then by its last word. In it is what is
-- open only, so that nobody goes through a year of requests for those.
create index service_requests_waiting on service_requests (tenant_id, greatest(acknowledged_at, progress_at), requested_at)
    where open and erased_at is null;

-- Requests of one tenant that the broker has and the CRM has not spoken of since `ack_before`, or not moved since `progress_before`, or
-- since its service's own moment; how often citizens and the CRM usually speak. There is no horizon: what is open and late is late.
--
-- A rhythm is that of the newest 25 hours in which anything came, whenever that was: of somebody who speaks no more it is still known how
-- he spoke, and a hundred statuses sent at once each week are one word a week.
create function bus311_alert_history(tenant integer, ack_before timestamptz, progress_before timestamptz, services text[], service_before timestamptz[])
returns table (unacknowledged bigint, unprogressed bigint, statuses bigint, first_status timestamptz, last_status timestamptz,
               requests bigint, first_request timestamptz, last_request timestamptz, delivered_since timestamptz)
language sql stable security definer set search_path = public as $$
    with recursive spoken (at, n) as (
        select (select max(s.received_at) from status_updates s where s.tenant_id = tenant and s.applied), 1
        union all
        select (select max(s.received_at) from status_updates s
                where s.tenant_id = tenant and s.applied and s.received_at < date_trunc('hour', p.at)), p.n + 1
        from spoken p where p.at is not null and p.n < 25
    ), asked (at, n) as (
        select (select max(r.requested_at) from service_requests r where r.tenant_id = tenant and r.requested_at <= now()), 1
        union all
        select (select max(r.requested_at) from service_requests r
                where r.tenant_id = tenant and r.requested_at < date_trunc('hour', p.at)), p.n + 1
        from asked p where p.at is not null and p.n < 25
    ), silent as (
        -- Those that have waited longest. Their events are gone after a year: what is older was handed over long ago.
        select coalesce((select min(x.confirmed_at) from outbox x
                         where x.created_at = o.requested_at and x.request_id = o.id and x.tenant_id = tenant and x.state = 'confirmed'
                           and x.request_sequence < 2 and x.seq >= o.id / 1000000000 * 1000000000),
                        case when o.requested_at < now() - interval '12 months' then o.requested_at end) as confirmed_at
        from (select r.id, r.requested_at from service_requests r
              where r.tenant_id = tenant and r.open and r.erased_at is null and greatest(r.acknowledged_at, r.progress_at) is null
                and r.requested_at < ack_before
              order by r.requested_at limit 1000) o
    ), still as (
        select 1 from service_requests r left join unnest(services, service_before) d (code, before) on d.code = r.service_code
        where r.tenant_id = tenant and r.open and r.erased_at is null
          and greatest(r.acknowledged_at, r.progress_at) < (select greatest(progress_before, max(b)) from unnest(service_before) b)
          and greatest(r.acknowledged_at, r.progress_at) < coalesce(d.before, progress_before)
        limit 10000
    ), rhythm as (
        select (select count(at) from spoken) as said, (select min(at) from spoken) as first_said, (select max(at) from spoken) as last_said
    )
    select (select count(*) from silent where confirmed_at < ack_before), (select count(*) from still),
           h.said, h.first_said, h.last_said,
           (select count(at) from asked), (select min(at) from asked), (select max(at) from asked),
           (select min(r.requested_at) from service_requests r
            where r.tenant_id = tenant and r.requested_at > coalesce(h.last_said, '-infinity') and r.requested_at <= now())
    from rhythm h
$$;
revoke execute on function bus311_alert_history(integer, timestamptz, timestamptz, text[], timestamptz[]) from public;
grant execute on function bus311_alert_history(integer, timestamptz, timestamptz, text[], timestamptz[]) to bus311_watch;
-- bus311_alert_history with a horizon is what the version before this one calls while it still runs; it goes with a later version.
