-- Statistics of use: counts by hour, and their sums by day, by month and by hour of the week (docs/operators/statistics.md). No id of a
-- request, no name, no address: they stay when the requests go.
create table usage_counts (
    tenant_id integer not null,
    -- hour: everything, by all dimensions. day: sums without dimensions, of the tenant's days. month: by all dimensions.
    -- profile: the requests of a month by hour of the week, 0 (Monday, midnight to one) to 167.
    grain text not null check (grain in ('hour', 'day', 'month', 'profile')),
    -- Of an hour in UTC; of a day or a month in the tenant's time zone. An hour belongs to the day in which it begins.
    starts_at timestamptz not null,
    measure text not null,
    -- Empty where the measure has no such dimension.
    service_code text not null,
    -- What the key that brought it is called.
    channel text not null,
    -- A key's public id.
    access_key text not null,
    -- A status, a reason, an operation; of a duration its bucket (bus311_usage_bucket).
    detail text not null,
    n bigint not null,
    primary key (tenant_id, grain, starts_at, measure, service_code, channel, access_key, detail)
);

-- How far the counting is. One row: whoever counts holds it, and moves it in the transaction that adds.
create table usage_cursor (
    is_only boolean primary key default true check (is_only),
    -- All rows before this moment that were there are in the counts.
    counted_to timestamptz not null,
    -- Hours before this one were counted a second time, when nothing could come late any more, and are never touched again.
    settled_to timestamptz not null
);
insert into usage_cursor (counted_to, settled_to)
select s.at, s.at from (
    select date_trunc('hour', least((select min(requested_at) from service_requests), now()), 'UTC') as at) s;

alter table usage_counts enable row level security;
create policy own on usage_counts for select to bus311_status using (tenant_id = bus311_tenant());
create policy all_of_it on usage_counts for select to bus311_admin, bus311_watch using (true);
grant select on usage_counts to bus311_status, bus311_admin, bus311_watch;
grant select on usage_cursor to bus311_status, bus311_admin, bus311_watch;

-- Durations are counted in buckets that grow by a tenth: whatever lies in bucket b is between 1.1^b and 1.1^(b+1) microseconds, and
-- 2 * 1.1^(b+1) / 2.1 is less than 4.8 % away from it.
create function bus311_usage_bucket(microseconds bigint) returns integer
language sql immutable parallel safe
return case when microseconds <= 1 then 0 else floor(ln(microseconds::double precision) / ln(1.1::double precision))::integer end;

-- What happened from one moment up to another within one hour (UTC), counted from the rows; any cutting gives the same sums.
create function bus311_usage_facts(from_at timestamptz, to_at timestamptz)
returns table (tenant_id integer, measure text, service_code text, channel text, access_key text, detail text, n bigint)
language sql stable security definer set search_path = public as $$
    with bounds as materialized (
        -- A request's month is that of its number; clocks may differ at midnight.
        select to_char(from_at at time zone 'UTC' - interval '1 day', 'YYMM')::bigint * 1000000000 as lowest,
               (to_char(to_at at time zone 'UTC' + interval '1 day', 'YYMM')::bigint + 1) * 1000000000 as above
    ), taken as materialized (
        select r.tenant_id, r.service_code, r.received_via as channel, p.photos, p.bytes,
               p.photos > 0 or cardinality(r.media_urls) > 0 as has_photo,
               exists (select from reporters w where w.request_id = r.id
                       and coalesce(w.first_name, w.last_name, w.email, w.phone, w.account_id) is not null) as is_identified
        from bounds b, tenants t
        cross join lateral (
            select * from service_requests r
            where r.tenant_id = t.id and r.requested_at >= from_at and r.requested_at < to_at and r.id >= b.lowest and r.id < b.above
            offset 0) r
        cross join lateral (
            select count(*) as photos, coalesce(sum(original_bytes), 0)::bigint as bytes from photos where request_id = r.id) p
    ), spoken as materialized (
        select s.tenant_id, r.service_code, r.received_via as channel, upper(split_part(s.status, ',', 1)) as status,
               (extract(epoch from s.received_at - r.requested_at) * 1000000)::bigint as took, e.is_first, e.is_first_progress, e.is_first_closing
        from tenants t
        cross join lateral (
            select * from status_updates s where s.tenant_id = t.id and s.applied and s.received_at >= from_at and s.received_at < to_at
            offset 0) s
        join service_requests r on r.id = s.request_id
        cross join lateral (
            select count(*) = 0 as is_first,
                   count(*) filter (where upper(split_part(x.status, ',', 1)) not in ('OPEN', 'PENDING', 'RECEIVED')) = 0 as is_first_progress,
                   count(*) filter (where upper(split_part(x.status, ',', 1)) in ('CLOSED', 'PROCESSED', 'REJECTED', 'ARCHIVED')) = 0 as is_first_closing
            from status_updates x
            where x.request_id = s.request_id and x.applied and (x.received_at, x.update_id) < (s.received_at, s.update_id)) e
    ), asked as materialized (
        select a.*, a.operation = 'POST requests' and a.direction = 'in.http' as is_post
        from tenants t
        cross join lateral (
            select a.* from audit a
            where a.tenant_id = t.id and a.stored_at >= from_at and a.stored_at < to_at
              and a.direction in ('in.http', 'in.rest', 'in.amqp', 'out.amqp')
              and (a.objects is null or a.objects <> 'test' and a.objects not like 'test %')
            offset 0) a
    ), calls as (
        select a.*, coalesce(a.actor, '') as key,
               case when a.direction = 'in.amqp' then a.result in ('refused', 'unreadable', 'failed') else a.result like '4__' end as is_refused
        from asked a where a.direction <> 'out.amqp'
    ), seen as materialized (
        select t.id as tenant_id, tstzrange(greatest(from_at, t.created_at, f.at), to_at) as span
        from (select min(seen_from) as at from queue_consumers) f, tenants t
        where f.at < to_at and t.created_at < to_at
    ), present as (
        select s.tenant_id, c.kind, (select sum(extract(epoch from upper(i) - lower(i)) * 1000000)::bigint from unnest(c.spans) i) as microseconds
        from seen s
        cross join lateral (
            select k.kind, range_agg(tstzrange(greatest(q.seen_from, lower(s.span)), least(coalesce(q.seen_until, 'infinity'), to_at))) as spans
            from queue_consumers q
            cross join lateral (values ('crm_connected'), (case when q.consumes then 'crm_consuming' end)) k (kind)
            where q.tenant_id = s.tenant_id and k.kind is not null and q.seen_from < to_at
              and coalesce(q.seen_until, 'infinity') > lower(s.span) and greatest(q.seen_from, lower(s.span)) < least(coalesce(q.seen_until, 'infinity'), to_at)
            group by k.kind) c
    ), facts as (
        select t.tenant_id, m.measure, t.service_code, t.channel, '' as access_key, '' as detail, m.n
        from taken t
        cross join lateral (values
            ('requests', 1::bigint), ('with_photo', t.has_photo::integer::bigint), ('identified', t.is_identified::integer::bigint),
            ('anonymous', (not t.is_identified)::integer::bigint), ('photos', t.photos), ('photo_bytes', t.bytes)) m (measure, n)
        union all
        -- Durations have many buckets: by service only.
        select s.tenant_id, m.measure, s.service_code, case when m.measure in ('statuses', 'updates') then s.channel else '' end, '', m.detail, 1::bigint
        from spoken s
        cross join lateral (values
            ('statuses', s.status), ('updates', ''),
            ('acknowledgement', case when s.is_first then bus311_usage_bucket(s.took)::text end),
            ('first_status', case when s.is_first_progress and s.status not in ('OPEN', 'PENDING', 'RECEIVED')
                                  then bus311_usage_bucket(s.took)::text end),
            ('closing', case when s.is_first_closing and s.status in ('CLOSED', 'PROCESSED', 'REJECTED', 'ARCHIVED')
                             then bus311_usage_bucket(s.took)::text end)) m (measure, detail)
        where m.detail is not null
        union all
        select c.tenant_id, m.measure, '', '', m.access_key, m.detail, m.n
        from calls c
        cross join lateral (values
            ('calls', c.key, c.operation, c.calls::bigint),
            ('bytes_in', '', '', c.bytes_in), ('bytes_out', '', '', c.bytes_out),
            ('media_served', '', '', case when c.operation = 'GET media' then c.bytes_out end),
            ('taken', c.key, '', case when c.is_post and c.result = '200' and c.request_id is not null
                                       and c.objects is distinct from 'repeated' then 1::bigint end),
            ('duplicates', c.key, 'requests', case when c.is_post and c.objects = 'repeated' then c.calls::bigint end),
            ('duplicates', c.key, 'updates', case when c.direction = 'in.rest' and c.operation = 'PUT updates' and c.objects = 'repeated'
                                                    or c.direction = 'in.amqp' and c.result = 'repeated' then c.calls::bigint end),
            ('answer', '', bus311_usage_bucket(c.duration_us)::text, case when c.is_post and c.result = '200' then c.calls::bigint end),
            ('failures', c.key, c.operation, case when c.result like '5__' then c.calls::bigint end),
            ('refusals', c.key,
             coalesce(substring(c.objects from '^refused ([a-z_-]{1,60})'),
                      case c.result when '400' then 'invalid' when '401' then 'unauthorized' when '403' then 'forbidden' when '404' then 'unknown'
                           when '405' then 'method' when '406' then 'format' when '409' then 'conflict' when '410' then 'gone'
                           when '413' then 'too_large' when '415' then 'media_type' when '429' then 'too_many'
                           else case when c.direction = 'in.amqp' then 'status_message' else 'other' end end),
             case when c.is_refused then c.calls::bigint end)) m (measure, access_key, detail, n)
        where m.n is not null
        union all
        select a.tenant_id, m.measure, m.service_code, '', '', m.detail, a.calls::bigint
        from asked a
        left join service_requests r on r.id = a.request_id and a.result = 'confirmed' and a.objects is null
            and a.operation like 'service\_request.created.%'
        cross join lateral (values
            ('messages', '', case when a.result = 'confirmed' then a.operation end),
            ('message_failures', '', case when a.result <> 'confirmed' then left(a.result, 60) end),
            ('delivery', r.service_code,
             bus311_usage_bucket((extract(epoch from a.at - r.requested_at) * 1000000)::bigint + a.duration_us)::text)) m (measure, service_code, detail)
        where a.direction = 'out.amqp' and m.detail is not null and m.service_code is not null
        union all
        select s.tenant_id, 'watched', '', '', '', '', (extract(epoch from upper(s.span) - lower(s.span)) * 1000000)::bigint from seen s
        union all
        select p.tenant_id, p.kind, '', '', '', '', p.microseconds from present p
    )
    select f.tenant_id, f.measure, f.service_code, f.channel, f.access_key, f.detail, sum(f.n)::bigint
    from facts f group by 1, 2, 3, 4, 5, 6 having sum(f.n) <> 0
$$;
revoke execute on function bus311_usage_facts(timestamptz, timestamptz) from public;
grant execute on function bus311_usage_facts(timestamptz, timestamptz) to bus311_admin;

-- Adds what happened in a part of an hour to the counts; `again` replaces what was counted of a whole hour, sums included.
create function bus311_usage_add(from_at timestamptz, to_at timestamptz, again boolean) returns integer
language plpgsql volatile security definer set search_path = public as $$
declare
    starts timestamptz := date_trunc('hour', from_at, 'UTC');
    rows integer;
begin
    insert into usage_counts as u (tenant_id, grain, starts_at, measure, service_code, channel, access_key, detail, n)
    select d.tenant_id, g.grain, g.starts_at, d.measure, g.service_code, g.channel, g.access_key, g.detail, sum(d.n)
    from (
        select c.tenant_id, c.measure, c.service_code, c.channel, c.access_key, c.detail, sum(c.n)::bigint as n
        from (
            select * from bus311_usage_facts(from_at, to_at)
            union all
            select h.tenant_id, h.measure, h.service_code, h.channel, h.access_key, h.detail, -h.n
            from tenants t join usage_counts h on h.tenant_id = t.id and h.grain = 'hour' and h.starts_at = starts
            where again
        ) c
        group by 1, 2, 3, 4, 5, 6 having sum(c.n) <> 0
    ) d
    join tenants t on t.id = d.tenant_id
    cross join lateral (select starts at time zone t.time_zone as local, date_trunc('month', starts, t.time_zone) as month) l
    cross join lateral (values
        ('hour', starts, d.service_code, d.channel, d.access_key, d.detail),
        ('day', date_trunc('day', starts, t.time_zone), '', '', '', ''),
        ('month', l.month, d.service_code, d.channel, d.access_key, d.detail),
        ('profile', l.month, '', '', '', ((extract(isodow from l.local)::integer - 1) * 24 + extract(hour from l.local)::integer)::text)
    ) g (grain, starts_at, service_code, channel, access_key, detail)
    where g.grain <> 'profile' or d.measure = 'requests'
    group by 1, 2, 3, 4, 5, 6, 7, 8 having sum(d.n) <> 0
    order by 1, 2, 3, 4, 5, 6, 7, 8
    on conflict (tenant_id, grain, starts_at, measure, service_code, channel, access_key, detail) do update set n = u.n + excluded.n;
    get diagnostics rows = row_count;
    return rows;
end $$;
revoke execute on function bus311_usage_add(timestamptz, timestamptz, boolean) from public;

-- One step of the counting: the next part of the running hour, or a finished hour once more. Several may call it at once: one works, the
-- others are told that it is busy. Moments are the database's own; `as_of` may only be earlier (tests).
create function bus311_usage_step(as_of timestamptz, longest interval)
returns table (counted_to timestamptz, settled_to timestamptz, written integer, is_done boolean)
language plpgsql volatile security definer set search_path = public as $$
declare
    c usage_cursor;
    moment timestamptz := least(coalesce(as_of, now()), now());
    ends timestamptz;
    rows integer;
begin
    select * into c from usage_cursor for update skip locked;
    if not found then
        return query select null::timestamptz, null::timestamptz, 0, true;
        return;
    end if;
    -- Nothing that was heard in an hour is stored two hours after it.
    if c.settled_to + interval '3 hours' <= moment and c.settled_to + interval '1 hour' <= c.counted_to then
        rows := bus311_usage_add(c.settled_to, c.settled_to + interval '1 hour', true);
        update usage_cursor u set settled_to = c.settled_to + interval '1 hour';
        return query select c.counted_to, c.settled_to + interval '1 hour', rows, false;
        return;
    end if;
    -- What began five seconds ago is nearly always committed; what is later is found when the hour is settled.
    ends := least(date_trunc('hour', c.counted_to, 'UTC') + interval '1 hour', c.counted_to + longest, moment - interval '5 seconds');
    if ends <= c.counted_to then
        return query select c.counted_to, c.settled_to, 0, true;
        return;
    end if;
    rows := bus311_usage_add(c.counted_to, ends, false);
    update usage_cursor u set counted_to = ends;
    -- Time goes on meanwhile: done is who came to the end as it was at the beginning.
    return query select ends, c.settled_to, rows, ends = moment - interval '5 seconds';
end $$;
revoke execute on function bus311_usage_step(timestamptz, interval) from public;
grant execute on function bus311_usage_step(timestamptz, interval) to bus311_watch, bus311_admin;
