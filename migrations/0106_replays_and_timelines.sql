-- Replays tell what they leave out, notices can be returned, timelines have the events of photos.

-- Events of a job above a number, lowest first: those with a body, or those that were emptied. What still waits for the broker is on its
-- way anyhow. A notice of ours belongs to no request: it is meant only where a job names its event; receipts never are.
create function bus311_replay_chosen(job bigint, above bigint, how_many integer, is_empty boolean)
returns table (seq bigint, size integer, request bigint)
language plpgsql stable security definer set search_path = public as $$
declare j replays;
begin
    select * into strict j from replays where id = job;
    return query
        select o.seq, length(o.body), o.request_id from outbox o
        where o.tenant_id = j.tenant_id and o.seq > above and o.replay_id is null and o.state = 'confirmed'
          and (o.request_id is not null or j.event_ids is not null and o.type not like 'status\_update.%')
          and (length(o.body) = 0) = is_empty
          and o.seq >= to_char(j.from_at at time zone 'UTC', 'YYMM')::bigint * 1000000000
          and o.created_at >= j.from_at and o.created_at < j.to_at
          and (j.request_id is null or o.request_id = j.request_id)
          and (j.event_ids is null or o.event_id = any (j.event_ids))
          and ((j.service_code is null and j.is_open is null) or exists (
              select from service_requests r
              where r.id = o.request_id and r.tenant_id = o.tenant_id and (j.service_code is null or r.service_code = j.service_code)
                and (j.is_open is null or r.open = j.is_open)))
        order by o.seq limit how_many;
end $$;
revoke execute on function bus311_replay_chosen(bigint, bigint, integer, boolean) from public;

create or replace function bus311_replay_events(job bigint, above bigint, how_many integer)
returns table (seq bigint, size integer)
language sql stable security definer set search_path = public as $$
    select c.seq, c.size from bus311_replay_chosen(job, above, how_many, false) c order by c.seq
$$;

-- What a job leaves out of all that it names, wherever its cursor stands: events whose content went with its term, and those of requests
-- that were erased.
create function bus311_replay_left_out(job bigint) returns table (emptied bigint, erased bigint)
language sql stable security definer set search_path = public as $$
    select count(*) filter (where e.request_id is null), count(e.request_id)
    from bus311_replay_chosen(job, 0, null, true) c left join erasures e on e.request_id = c.request
$$;
revoke execute on function bus311_replay_left_out(bigint) from public;
grant execute on function bus311_replay_left_out(bigint) to bus311_admin;

-- The events of photos alone: they have no moment that another table knows, and a submission pays nothing for this.
create index outbox_media on outbox (request_id) where type like 'service\_request.media\_added.%';

-- As before, with what became of photos.
create or replace function bus311_timeline(request bigint)
returns table (sequence integer, type text, state text, attempts integer, reason text, received timestamptz, stored timestamptz,
               published timestamptz, confirmed timestamptz, replayed boolean)
language sql stable security definer set search_path = public as $$
    with moments as (
        select requested_at as at from service_requests where id = request and tenant_id = bus311_tenant()
        union
        select received_at from citizen_updates where request_id = request and tenant_id = bus311_tenant()
        union
        select decided_at from moderations where request_id = request and tenant_id = bus311_tenant()
        union
        select erased_at from erasures where request_id = request and tenant_id = bus311_tenant()
    ),
    numbers as (
        select o.seq
        from moments m join outbox o on o.created_at = m.at and o.request_id = request and o.tenant_id = bus311_tenant()
            and o.seq >= request / 1000000000 * 1000000000
        union
        select o.seq from outbox o
        where o.request_id = request and o.type like 'service\_request.media\_added.%' and o.tenant_id = bus311_tenant()
          and o.seq >= request / 1000000000 * 1000000000
    )
    select o.request_sequence, o.type, o.state, o.attempts, o.last_error, o.created_at, o.stored_at, o.published_at, o.confirmed_at,
           o.replay_id is not null
    from outbox o where o.seq = any (array(select n.seq from numbers n)) and o.seq >= request / 1000000000 * 1000000000
    order by o.seq
$$;
