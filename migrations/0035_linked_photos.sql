-- Photos behind the links that citizens give in media_url, for tenants that have them copied. linked: not copied yet; what is copied
-- goes the way of every photo and takes the link's place in the request.
alter table photos add column source_url text, alter column original_type drop not null, alter column original_bytes drop not null,
    alter column original_sha256 drop not null;
alter table photos drop constraint photos_state_check;
alter table photos add constraint photos_state_check
    check (state in ('linked', 'received', 'redacting', 'ready', 'refused', 'revoked'));
alter table photos add constraint photos_source_check
    check ((state <> 'linked' or source_url is not null)
           and (state in ('linked', 'refused', 'revoked') or original_type is not null and original_sha256 is not null));
create index photos_linked on photos (id) where state = 'linked';

create or replace function bus311_settle_photo(
    photo bigint, last_sequence integer, verdict text, why text, public_hash bytea, public_size integer, wide integer, high integer,
    small_hash bytea, small_size integer, event uuid, event_shard smallint, event_type text, event_body bytea)
returns boolean language plpgsql security definer set search_path = public as $$
declare found_photo photos%rowtype;
begin
    select * into found_photo from photos where id = photo and state in ('linked', 'received', 'redacting') for update;
    if not found then return false; end if;
    update service_requests set sequence = sequence + 1,
        -- A link stays as it was given until there is a copy to show.
        media_urls = case when verdict = 'refused' then bus311_media_with(media_urls, found_photo.token, null)
                          when found_photo.source_url is not null then
                              array_replace(media_urls, found_photo.source_url, bus311_photo_entry(found_photo.token, found_photo.expires_at))
                          else media_urls end,
        updated_at = case when verdict = 'refused' or found_photo.source_url is not null then greatest(updated_at, now())
                          else updated_at end
        where id = found_photo.request_id and tenant_id = found_photo.tenant_id and sequence = last_sequence;
    if not found then return false; end if;
    update photos set state = verdict, reason = why, public_sha256 = public_hash, public_bytes = public_size, width = wide, height = high,
        small_sha256 = small_hash, small_bytes = small_size, attempts = 0, next_attempt_at = null, redactions = null,
        announced = announced or verdict = 'refused'
        where id = photo;
    -- No CRM hears of what a test endpoint took.
    if found_photo.tenant_id > 0 then
        insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body)
        values (event, found_photo.tenant_id, event_shard, found_photo.request_id, last_sequence + 1, event_type, event_body);
    end if;
    return true;
end $$;

-- Of an erased request neither a citizen's link nor an old address stays, and nobody is told of its photos any more.
create function bus311_forget_photo() returns trigger language plpgsql as $$
begin
    new.source_url := null;
    new.replaced_token := null;
    new.announced := true;
    return new;
end $$;
create trigger forget_photo before update on photos for each row when (new.reason = 'erased') execute function bus311_forget_photo();
