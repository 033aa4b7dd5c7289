-- Events are looked for by when they came: rows lie in that order, so a block index serves and costs the ingest nothing.
create index outbox_created on outbox using brin (created_at) with (pages_per_range = 32, autosummarize = on);

-- An event that the broker refused holds the later ones of its request; few are refused, so this index is nearly always empty.
create index outbox_refused on outbox (request_id) where attempts > 0 and state in ('pending', 'parked');

-- Jobs that send stored events again. The cursor moves in the transaction that queues the events: a job that was cut goes on where
-- it stood.
create table replays (
    id bigint generated always as identity primary key,
    tenant_id integer not null,
    created_at timestamptz not null default now(),
    created_by text not null,
    -- Of the events' own moments: from the first, before the last.
    from_at timestamptz not null,
    to_at timestamptz not null,
    service_code text,
    is_open boolean,
    request_id bigint,
    -- Of all those exactly these, as the return of dead letters asks for them.
    event_ids uuid[],
    cursor_seq bigint not null default 0,
    queued bigint not null default 0,
    finished_at timestamptz
);

-- The events of a job above its cursor, lowest first. What still waits for the broker is on its way anyhow.
create function bus311_replay_events(job bigint, above bigint, how_many integer)
returns table (seq bigint, size integer)
language plpgsql stable security definer set search_path = public as $$
declare j replays;
begin
    select * into strict j from replays where id = job;
    return query
        select o.seq, length(o.body) from outbox o
        where o.tenant_id = j.tenant_id and o.seq > above and o.replay_id is null and o.state = 'confirmed' and o.request_id is not null
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

-- Queues the next events of a job; the answer is how many, and whether the job is done.
create function bus311_replay_step(job bigint, how_many integer)
returns table (queued_now integer, queued_in_all bigint, is_done boolean)
language plpgsql security definer set search_path = public as $$
declare
    j replays;
    last bigint;
    moved integer;
begin
    select * into strict j from replays where id = job for update;
    if j.finished_at is not null then
        return query select 0, j.queued, true;
        return;
    end if;
    with page as materialized (select e.seq from bus311_replay_events(job, j.cursor_seq, how_many) e),
    sent as (
        insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body, created_at, replay_id)
        select o.event_id, o.tenant_id, o.shard, o.request_id, o.request_sequence, o.type, o.body, o.created_at, job
        from page join outbox o on o.seq = page.seq order by o.seq
        returning 1
    )
    select max(page.seq), count(*) into last, moved from page;
    update replays set cursor_seq = coalesce(last, cursor_seq), queued = replays.queued + moved,
        finished_at = case when moved < how_many then now() end
    where id = job;
    return query select moved, j.queued + moved, moved < how_many;
end $$;

-- How many events a job still has, and their size.
create function bus311_replay_rest(job bigint) returns table (events bigint, bytes bigint)
language sql stable security definer set search_path = public as $$
    select count(*), coalesce(sum(e.size), 0)::bigint
    from replays r, bus311_replay_events(r.id, r.cursor_seq, null) e where r.id = job and r.finished_at is null
$$;

revoke execute on function bus311_replay_events(bigint, bigint, integer) from public;
revoke execute on function bus311_replay_step(bigint, integer) from public;
revoke execute on function bus311_replay_rest(bigint) from public;
grant execute on function bus311_replay_step(bigint, integer) to bus311_admin;
grant execute on function bus311_replay_rest(bigint) to bus311_admin;
grant select, insert, delete on replays to bus311_admin;
