-- A published request can be hidden, and shown again.
alter table service_requests
    -- Null unless it is hidden; then what `listed` will be when it is restored.
    add column hidden_listed boolean,
    add column erased_at timestamptz;

create table moderations (
    number bigint generated always as identity primary key,
    request_id bigint not null,
    tenant_id integer not null,
    decided_at timestamptz not null,
    state text not null check (state in ('hidden', 'restored')),
    -- For people; emptied when the request is erased.
    reason text not null,
    decided_by text not null
);
create index moderations_request on moderations (request_id);
alter table moderations enable row level security;
create policy status_own on moderations for select to bus311_status using (tenant_id = bus311_tenant());
grant select on moderations to bus311_status;
-- The snapshot that its event carries names the reporter where the tenant wants that.
grant execute on function bus311_reporters(bigint[]) to bus311_status;

-- Hides or restores a request of the tenant that the transaction names; the events were written for the sequence after
-- `last_sequence`. False when another event came between, or there is nothing to change: read again.
create function bus311_moderate(
    request bigint, last_sequence integer, becomes text, why text, who text, moment timestamptz, event_shard smallint, events uuid[],
    types text[], bodies bytea[])
returns boolean language plpgsql security definer set search_path = public as $$
declare own integer := bus311_tenant();
begin
    update service_requests
    set hidden_listed = case when becomes = 'hidden' then listed end,
        listed = becomes <> 'hidden' and hidden_listed,
        sequence = sequence + 1, updated_at = greatest(updated_at, moment)
    where id = request and tenant_id = own and sequence = last_sequence and erased_at is null
      and (hidden_listed is null) = (becomes = 'hidden');
    if not found then return false; end if;
    insert into moderations (request_id, tenant_id, decided_at, state, reason, decided_by)
    values (request, own, moment, becomes, why, who);
    perform bus311_add_events(request, own, event_shard, last_sequence + 1, moment, events, types, bodies);
    return true;
end $$;
revoke execute on function bus311_moderate(bigint, integer, text, text, text, timestamptz, smallint, uuid[], text[], bytea[]) from public;
grant execute on function bus311_moderate(bigint, integer, text, text, text, timestamptz, smallint, uuid[], text[], bytea[])
    to bus311_status;

-- The photos of a hidden request are hidden with it.
create or replace function bus311_photo(asked text)
returns table (tenant text, is_test boolean, state text, expired boolean, public_sha256 bytea, public_bytes integer, small_sha256 bytea,
               small_bytes integer)
language sql stable security definer set search_path = public as $$
    select t.key, p.tenant_id < 0, case when r.hidden_listed is null then p.state else 'hidden' end, coalesce(p.expires_at <= now(), false),
           p.public_sha256, p.public_bytes, p.small_sha256, p.small_bytes
    from photos p join tenants t on t.id = abs(p.tenant_id) left join service_requests r on r.id = p.request_id where p.token = asked
$$;
