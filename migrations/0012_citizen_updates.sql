-- What other systems of citizens (FixMyStreet's updates) said of a request after it was made. Who said it travels to the CRM and
-- is not kept here.
create table citizen_updates (
    number bigint generated always as identity primary key,
    request_id bigint not null,
    tenant_id integer not null,
    -- The public part of the key that sent it: two systems may use the same ids.
    api_key text not null,
    update_id text not null,
    fingerprint bytea not null,
    occurred_at timestamptz not null,
    received_at timestamptz not null default now(),
    status text not null,
    description text not null,
    media_urls text[] not null default '{}',
    unique (request_id, api_key, update_id)
);

-- The gateway may change nothing by itself: these two do exactly what it needs, for the tenant that its transaction names.

create function bus311_reporters(requests bigint[])
returns table (request_id bigint, first_name text, last_name text, email text, phone text, account_id text, device_id text,
               organisation text, siret text)
language sql stable security definer set search_path = public as $$
    select r.request_id, r.first_name, r.last_name, r.email, r.phone, r.account_id, r.device_id, r.organisation, r.siret
    from reporters r where r.tenant_id = bus311_tenant() and r.request_id = any (requests)
$$;

-- Records an update and its event; the event was written for the sequence after `last_sequence`.
-- Returns the update's number, with the fingerprint kept under its id; no row when another event came between: read again.
create function bus311_record_citizen_update(
    request bigint, last_sequence integer, key_id text, id text, content bytea, occurred timestamptz, said text, words text,
    media text[], event uuid, event_shard smallint, event_type text, event_body bytea)
returns table (update_number bigint, kept_fingerprint bytea)
language plpgsql security definer set search_path = public as $$
declare own integer := bus311_tenant();
begin
    return query select u.number, u.fingerprint from citizen_updates u
        where u.request_id = request and u.api_key = key_id and u.update_id = id and u.tenant_id = own;
    if found then return; end if;
    update service_requests set sequence = sequence + 1
        where service_requests.id = request and tenant_id = own and sequence = last_sequence and listed;
    if not found then return; end if;
    return query insert into citizen_updates (request_id, tenant_id, api_key, update_id, fingerprint, occurred_at, status, description,
                                              media_urls)
        values (request, own, key_id, id, content, occurred, said, words, media)
        returning number, fingerprint;
    -- No CRM hears of what a test endpoint took.
    if own > 0 then
        insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body)
        values (event, own, event_shard, request, last_sequence + 1, event_type, event_body);
    end if;
end $$;

revoke execute on function bus311_reporters(bigint[]) from public;
revoke execute on function bus311_record_citizen_update(
    bigint, integer, text, text, bytea, timestamptz, text, text, text[], uuid, smallint, text, bytea) from public;
grant execute on function bus311_reporters(bigint[]) to bus311_gateway;
grant execute on function bus311_record_citizen_update(
    bigint, integer, text, text, bytea, timestamptz, text, text, text[], uuid, smallint, text, bytea) to bus311_gateway;
drop policy gateway_reads on reporters;
revoke select on reporters from bus311_gateway;
