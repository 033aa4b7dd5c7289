-- Which requests were erased, kept for good and without personal data: after a restore of a backup they are erased again.
create table erasures (
    request_id bigint primary key,
    tenant_id integer not null,
    erased_at timestamptz not null,
    -- A code: a sentence might name the person.
    reason text not null check (reason ~ '^[a-z_]{1,64}$'),
    asked_by text not null
);
alter table erasures enable row level security;
create policy status_own on erasures for select to bus311_status using (tenant_id = bus311_tenant());
create policy everybody_else on erasures for select to bus311_relay, bus311_admin using (true);
grant select on erasures to bus311_status, bus311_relay, bus311_admin;

-- Forgets the person behind a request of the tenant that the transaction names, in one transaction; the event was written for the
-- sequence after `last_sequence`. False when another event came between, or the request was erased before: read again.
create function bus311_erase(
    request bigint, last_sequence integer, why text, who text, moment timestamptz, event_shard smallint, event uuid, event_type text,
    event_body bytea)
returns boolean language plpgsql security definer set search_path = public as $$
declare
    own integer := bus311_tenant();
    -- Events have numbers of their own months, from the request's on; a month more for clocks that differ.
    lowest bigint := to_char(to_date(lpad((request / 1000000000)::text, 4, '0'), 'YYMM') - interval '1 month', 'YYMM')::bigint * 1000000000;
begin
    -- Photos before their request, as the cleaner takes them.
    perform from photos where request_id = request and tenant_id = own order by id for update;
    -- A replay copies bodies: it has copied before this, and its copies are emptied below, or it copies nothing of this request.
    perform pg_advisory_xact_lock(3112, own);
    update service_requests
    set description = '', title = null, address = null, address_id = null, zipcode = null, answers = '[]', media_urls = '{}',
        status_notes = null, service_notice = null, service_object_type = null, service_object_id = null, token = null,
        -- About a kilometre: enough for statistics, too coarse for a front door.
        lat = round(lat::numeric, 2)::double precision, long = round(long::numeric, 2)::double precision,
        listed = false, hidden_listed = null, erased_at = moment, sequence = sequence + 1, updated_at = greatest(updated_at, moment)
    where id = request and tenant_id = own and sequence = last_sequence and erased_at is null;
    if not found then return false; end if;
    delete from reporters where request_id = request and tenant_id = own;
    delete from client_references where request_id = request and tenant_id = own;
    update citizen_updates set description = '', media_urls = '{}', fingerprint = '' where request_id = request and tenant_id = own;
    update status_updates set status_notes = null, fingerprint = '' where request_id = request and tenant_id = own;
    update moderations set reason = '' where request_id = request and tenant_id = own;
    update photos
    set state = 'revoked', reason = 'erased', lat = null, long = null, taken_at = null, orientation = null,
        original_sha256 = decode(repeat('00', 32), 'hex'),
        public_sha256 = null, public_bytes = null, small_sha256 = null, small_bytes = null, redactions = null, next_attempt_at = null
    where request_id = request and tenant_id = own;
    -- No index leads here, because each submission would pay for it: an erasure looks through the months since.
    update outbox
    set body = '', next_attempt_at = null,
        confirmed_at = case when state in ('pending', 'parked') then moment else confirmed_at end,
        last_error = case when state in ('pending', 'parked') then 'erased' else last_error end,
        state = case when state in ('pending', 'parked') then 'confirmed' else state end
    where request_id = request and tenant_id = own and seq >= lowest;
    insert into erasures (request_id, tenant_id, erased_at, reason, asked_by) values (request, own, moment, why, who);
    perform bus311_add_events(request, own, event_shard, last_sequence + 1, moment, array[event], array[event_type], array[event_body]);
    return true;
end $$;
revoke execute on function bus311_erase(bigint, integer, text, text, timestamptz, smallint, uuid, text, bytea) from public;
grant execute on function bus311_erase(bigint, integer, text, text, timestamptz, smallint, uuid, text, bytea) to bus311_status;

-- Nothing of an erased request is queued again but the word that it was erased, whoever queues it and whatever he read before.
create function bus311_keep_erased() returns trigger language plpgsql security definer set search_path = public as $$
begin
    perform pg_advisory_xact_lock_shared(3112, new.tenant_id);
    if new.body = '' or new.type not like 'service\_request.erased.%'
        and exists (select from erasures where request_id = new.request_id) then
        return null;
    end if;
    return new;
end $$;
create trigger keep_erased before insert on outbox for each row when (new.replay_id is not null) execute function bus311_keep_erased();

-- As before, without what was emptied.
create or replace function bus311_replay_events(job bigint, above bigint, how_many integer)
returns table (seq bigint, size integer)
language plpgsql stable security definer set search_path = public as $$
declare j replays;
begin
    select * into strict j from replays where id = job;
    return query
        select o.seq, length(o.body) from outbox o
        where o.tenant_id = j.tenant_id and o.seq > above and o.replay_id is null and o.state = 'confirmed' and o.request_id is not null
          and length(o.body) > 0
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

-- As before, with what moderators decided and what was erased.
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
    )
    select o.request_sequence, o.type, o.state, o.attempts, o.last_error, o.created_at, o.stored_at, o.published_at, o.confirmed_at,
           o.replay_id is not null
    from moments m join outbox o on o.created_at = m.at and o.request_id = request and o.tenant_id = bus311_tenant()
        and o.seq >= request / 1000000000 * 1000000000
    order by o.seq
$$;
