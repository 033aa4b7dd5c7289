-- Photographs of requests. A file is described here and stands in the media store; the address that leaves is the token's.
create table photos (
    id bigint generated always as identity primary key,
    request_id bigint not null,
    tenant_id integer not null,
    -- Its place among the request's photos, from 1.
    position smallint not null,
    -- 128 random bits: who knows it may see the photo.
    token text not null unique check (token ~ '^[0-9a-f]{32}$'),
    -- received: stored as sent, seen by nobody. ready: cleaned. refused: nothing of it is shown. revoked: shown no more.
    state text not null default 'received' check (state in ('received', 'ready', 'refused', 'revoked')),
    received_at timestamptz not null default now(),
    original_type text not null,
    original_bytes integer not null,
    original_sha256 bytea not null check (length(original_sha256) = 32),
    -- Read from the file before it was cleaned; for the city's eyes.
    lat double precision,
    long double precision,
    taken_at text,
    attempts smallint not null default 0,
    next_attempt_at timestamptz,
    -- Why it was refused or revoked: a code, never content.
    reason text,
    public_sha256 bytea,
    public_bytes integer,
    width integer,
    height integer,
    small_sha256 bytea,
    small_bytes integer,
    expires_at timestamptz,
    check ((lat is null) = (long is null)),
    check (state <> 'ready' or (public_sha256 is not null and small_sha256 is not null))
);
create index photos_request on photos (request_id, position);
create index photos_waiting on photos (id) where state = 'received';
create index photos_public on photos (tenant_id, public_sha256) where public_sha256 is not null;
create index photos_small on photos (tenant_id, small_sha256) where small_sha256 is not null;

do $$
begin
    create role bus311_photos nologin;
-- Roles belong to the cluster: another database of it may have made them.
exception when duplicate_object or unique_violation then null;
end $$;

alter table photos enable row level security;
grant insert on photos to bus311_ingest;
create policy ingest_inserts on photos for insert to bus311_ingest with check (true);
-- The cleaner works for all tenants; of tenants it knows the names only, of requests only how many events they had.
grant select, update on photos to bus311_photos;
create policy cleaner_all on photos for all to bus311_photos using (true) with check (true);
grant select (id, key, shard) on tenants to bus311_photos;
grant select on jurisdictions to bus311_photos;
grant select (id, tenant_id, sequence) on service_requests to bus311_photos;
create policy cleaner_reads on service_requests for select to bus311_photos using (true);

-- What stands behind an address: the gateway can ask for one at a time, and only by its token.
create function bus311_photo(asked text)
returns table (tenant text, is_test boolean, state text, expired boolean, public_sha256 bytea, public_bytes integer, small_sha256 bytea,
               small_bytes integer)
language sql stable security definer set search_path = public as $$
    select t.key, p.tenant_id < 0, p.state, coalesce(p.expires_at <= now(), false), p.public_sha256, p.public_bytes, p.small_sha256, p.small_bytes
    from photos p join tenants t on t.id = abs(p.tenant_id) where p.token = asked
$$;
revoke execute on function bus311_photo(text) from public;
grant execute on function bus311_photo(text) to bus311_gateway;

-- Settles a received photo with the event that tells the CRM; the event was written for the sequence after `last_sequence`.
-- False when another event of the request came between, or the photo is settled already: nothing is changed then.
create function bus311_settle_photo(
    photo bigint, last_sequence integer, verdict text, why text, public_hash bytea, public_size integer, wide integer, high integer,
    small_hash bytea, small_size integer, event uuid, event_shard smallint, event_type text, event_body bytea)
returns boolean language plpgsql security definer set search_path = public as $$
declare found_photo photos%rowtype;
begin
    select * into found_photo from photos where id = photo and state = 'received' for update;
    if not found then return false; end if;
    update service_requests set sequence = sequence + 1,
        media_urls = case when verdict = 'refused'
                          then array_remove(media_urls, '/media/' || found_photo.token || '.jpg') else media_urls end,
        updated_at = case when verdict = 'refused' then greatest(updated_at, now()) else updated_at end
        where id = found_photo.request_id and tenant_id = found_photo.tenant_id and sequence = last_sequence;
    if not found then return false; end if;
    update photos set state = verdict, reason = why, public_sha256 = public_hash, public_bytes = public_size, width = wide, height = high,
        small_sha256 = small_hash, small_bytes = small_size, next_attempt_at = null
        where id = photo;
    -- No CRM hears of what a test endpoint took.
    if found_photo.tenant_id > 0 then
        insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body)
        values (event, found_photo.tenant_id, event_shard, found_photo.request_id, last_sequence + 1, event_type, event_body);
    end if;
    return true;
end $$;
revoke execute on function bus311_settle_photo(bigint, integer, text, text, bytea, integer, integer, integer, bytea, integer, uuid,
    smallint, text, bytea) from public;
grant execute on function bus311_settle_photo(bigint, integer, text, text, bytea, integer, integer, integer, bytea, integer, uuid,
    smallint, text, bytea) to bus311_photos;

-- An operator takes a photo off the network, or gives it a new address in place of one that went too far.
create function bus311_revoke_photo(asked text, new_token text) returns bigint
language plpgsql security definer set search_path = public as $$
declare found_photo photos%rowtype;
begin
    select * into found_photo from photos where token = asked and state <> 'revoked' for update;
    if not found then return null; end if;
    if new_token is null then
        update photos set state = 'revoked', reason = 'revoked' where id = found_photo.id;
        update service_requests set media_urls = array_remove(media_urls, '/media/' || asked || '.jpg'),
            updated_at = greatest(updated_at, now())
            where id = found_photo.request_id and tenant_id = found_photo.tenant_id;
    else
        update photos set token = new_token where id = found_photo.id;
        update service_requests set media_urls = array_replace(media_urls, '/media/' || asked || '.jpg', '/media/' || new_token || '.jpg'),
            updated_at = greatest(updated_at, now())
            where id = found_photo.request_id and tenant_id = found_photo.tenant_id;
    end if;
    return found_photo.request_id;
end $$;
revoke execute on function bus311_revoke_photo(text, text) from public;
grant execute on function bus311_revoke_photo(text, text) to bus311_admin;
