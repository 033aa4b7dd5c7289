-- Addresses of photos that end to answer. service_requests.media_urls says when, so that a read needs no second look:
-- /media/<token>.jpg#<microseconds since 1970>. Links of citizens stand there as given.
create function bus311_photo_entry(token text, until timestamptz) returns text language sql immutable as $$
    select '/media/' || token || '.jpg' || coalesce('#' || (extract(epoch from until) * 1000000)::bigint, '')
$$;

-- The same list with another entry for this photo, or without it (null).
create function bus311_media_with(urls text[], token text, entry text) returns text[] language sql immutable as $$
    select coalesce(array_agg(case when split_part(url, '#', 1) = '/media/' || token || '.jpg' then entry else url end order by place)
                    filter (where entry is not null or split_part(url, '#', 1) <> '/media/' || token || '.jpg'), '{}')
    from unnest(urls) with ordinality as given (url, place)
$$;

-- Whether anything of it is shown now.
create function bus311_has_media(urls text[]) returns boolean language sql stable as $$
    select cardinality(urls) > 0 and exists (
        select from unnest(urls) as url
        where url not like '/media/%#%' or split_part(url, '#', 2)::bigint > extract(epoch from now()) * 1000000)
$$;

-- Events of photos tell how far from its request a photo was taken.
grant select (lat, long) on service_requests to bus311_photos;

-- Whether the CRM knows how the photo's address stands; if not, an event tells it. The address that a new one replaces.
alter table photos add column announced boolean not null default true, add column replaced_token text;
drop index photos_waiting;
create index photos_waiting on photos (id) where state in ('received', 'redacting') or not announced;

-- Until when the address of a photo answers, for the caches of those who saw it.
create function bus311_photo_end(asked text) returns timestamptz language sql stable security definer set search_path = public as $$
    select expires_at from photos where token = asked
$$;
revoke execute on function bus311_photo_end(text) from public;
grant execute on function bus311_photo_end(text) to bus311_gateway;

create or replace function bus311_settle_photo(
    photo bigint, last_sequence integer, verdict text, why text, public_hash bytea, public_size integer, wide integer, high integer,
    small_hash bytea, small_size integer, event uuid, event_shard smallint, event_type text, event_body bytea)
returns boolean language plpgsql security definer set search_path = public as $$
declare found_photo photos%rowtype;
begin
    select * into found_photo from photos where id = photo and state in ('received', 'redacting') for update;
    if not found then return false; end if;
    update service_requests set sequence = sequence + 1,
        media_urls = case when verdict = 'refused' then bus311_media_with(media_urls, found_photo.token, null) else media_urls end,
        updated_at = case when verdict = 'refused' then greatest(updated_at, now()) else updated_at end
        where id = found_photo.request_id and tenant_id = found_photo.tenant_id and sequence = last_sequence;
    if not found then return false; end if;
    update photos set state = verdict, reason = why, public_sha256 = public_hash, public_bytes = public_size, width = wide, height = high,
        small_sha256 = small_hash, small_bytes = small_size, attempts = 0, next_attempt_at = null, redactions = null, announced = announced or verdict = 'refused'
        where id = photo;
    -- No CRM hears of what a test endpoint took.
    if found_photo.tenant_id > 0 then
        insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body)
        values (event, found_photo.tenant_id, event_shard, found_photo.request_id, last_sequence + 1, event_type, event_body);
    end if;
    return true;
end $$;

-- Tells the CRM of an address that changed; nothing of the photo changes. False as above.
create function bus311_announce_photo(
    photo bigint, last_sequence integer, event uuid, event_shard smallint, event_type text, event_body bytea)
returns boolean language plpgsql security definer set search_path = public as $$
declare found_photo photos%rowtype;
begin
    select * into found_photo from photos where id = photo and state in ('ready', 'revoked') and not announced for update;
    if not found then return false; end if;
    update service_requests set sequence = sequence + 1
        where id = found_photo.request_id and tenant_id = found_photo.tenant_id and sequence = last_sequence;
    if not found then return false; end if;
    update photos set announced = true, replaced_token = null, attempts = 0, next_attempt_at = null where id = photo;
    if found_photo.tenant_id > 0 then
        insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body)
        values (event, found_photo.tenant_id, event_shard, found_photo.request_id, last_sequence + 1, event_type, event_body);
    end if;
    return true;
end $$;
revoke execute on function bus311_announce_photo(bigint, integer, uuid, smallint, text, bytea) from public;
grant execute on function bus311_announce_photo(bigint, integer, uuid, smallint, text, bytea) to bus311_photos;

-- What an operator does to one photo: shows it no more (no token), gives it another address, or the same one another end; by its
-- tenant's policy, the end is as far away as that of a new photo.
drop function bus311_revoke_photo(text, text);
create function bus311_readdress_photo(asked text, new_token text, until timestamptz, by_policy boolean) returns bigint
language plpgsql security definer set search_path = public as $$
declare found_photo photos%rowtype;
begin
    select * into found_photo from photos where token = asked and state not in ('linked', 'revoked', 'refused') for update;
    if not found then return null; end if;
    if by_policy then
        select now() + make_interval(days => (photo_policy ->> 'shown_days')::integer) into until
        from tenants where id = abs(found_photo.tenant_id);
    end if;
    if new_token is null then
        update photos set state = 'revoked', reason = 'revoked', announced = false, attempts = 0, next_attempt_at = null
            where id = found_photo.id;
    else
        update photos set token = new_token, expires_at = until, announced = false, attempts = 0, next_attempt_at = null,
            -- Its file still bears the old name.
            original_name = case when state = 'received' and new_token <> asked then coalesce(original_name, asked) else original_name end,
            replaced_token = case when new_token = asked then replaced_token else coalesce(replaced_token, asked) end
            where id = found_photo.id;
    end if;
    update service_requests set updated_at = greatest(updated_at, now()),
        media_urls = bus311_media_with(media_urls, asked, case when new_token is not null then bus311_photo_entry(new_token, until) end)
        where id = found_photo.request_id and tenant_id = found_photo.tenant_id;
    return found_photo.request_id;
end $$;
revoke execute on function bus311_readdress_photo(text, text, timestamptz, boolean) from public;
grant execute on function bus311_readdress_photo(text, text, timestamptz, boolean) to bus311_admin;

-- The photos of one request, for operators, who see addresses and states and nothing of what the camera wrote.
create function bus311_photos_of(request bigint)
returns table (place smallint, token text, state text, reason text, received_at timestamptz, expires_at timestamptz, bytes integer,
               width integer, height integer)
language sql stable security definer set search_path = public as $$
    select p.position, p.token, p.state, p.reason, p.received_at, p.expires_at, p.public_bytes, p.width, p.height
    from photos p where p.request_id = request order by p.position
$$;
revoke execute on function bus311_photos_of(bigint) from public;
grant execute on function bus311_photos_of(bigint) to bus311_admin;
