-- In which major versions of the contract a tenant's messages are written: one, or both while its CRM changes over.
alter table tenants
    add column contract_version text not null default '1' check (contract_version in ('1', '1+2', '2')),
    -- While both are sent: when the first is to end.
    add column contract_sunset timestamptz,
    add constraint contract_sunset_only_with_both check (contract_sunset is null or contract_version = '1+2');

-- The events of one change: one in each version, all with the same sequence; none for what a test endpoint took.
create function bus311_add_events(
    request bigint, tenant integer, event_shard smallint, sequence integer, moment timestamptz, ids uuid[], types text[], bodies bytea[])
returns void language sql volatile set search_path = public as $$
    insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body, created_at)
    select given.id, tenant, event_shard, request, sequence, given.type, given.body, moment
    from unnest(ids, types, bodies) with ordinality as given (id, type, body, place) where tenant > 0 order by given.place
$$;
revoke execute on function bus311_add_events(bigint, integer, smallint, integer, timestamptz, uuid[], text[], bytea[]) from public;

-- As before, with an event in each version that the tenant receives.
create function bus311_record_citizen_update(
    request bigint, last_sequence integer, key_id text, id text, content bytea, occurred timestamptz, said text, words text,
    media text[], event_shard smallint, events uuid[], types text[], bodies bytea[])
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
    perform bus311_add_events(request, own, event_shard, last_sequence + 1, now(), events, types, bodies);
end $$;
drop function bus311_record_citizen_update(
    bigint, integer, text, text, bytea, timestamptz, text, text, text[], uuid, smallint, text, bytea);
revoke execute on function bus311_record_citizen_update(
    bigint, integer, text, text, bytea, timestamptz, text, text, text[], smallint, uuid[], text[], bytea[]) from public;
grant execute on function bus311_record_citizen_update(
    bigint, integer, text, text, bytea, timestamptz, text, text, text[], smallint, uuid[], text[], bytea[]) to bus311_gateway;
