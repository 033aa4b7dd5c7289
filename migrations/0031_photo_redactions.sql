-- A moderator has parts of a photo blurred for good: until it is done, nobody sees the photo.
alter table photos add column redactions jsonb;
alter table photos drop constraint photos_state_check;
alter table photos add constraint photos_state_check check (state in ('received', 'redacting', 'ready', 'refused', 'revoked'));
drop index photos_waiting;
create index photos_waiting on photos (id) where state in ('received', 'redacting');

-- For the tenant that the transaction names; false when it has no such photo that is shown.
create function bus311_redact_photo(asked text, rectangles jsonb) returns boolean
language plpgsql security definer set search_path = public as $$
begin
    update photos set state = 'redacting', redactions = rectangles, attempts = 0, next_attempt_at = null
        where token = asked and state = 'ready' and abs(tenant_id) = bus311_tenant();
    return found;
end $$;
revoke execute on function bus311_redact_photo(text, jsonb) from public;
grant execute on function bus311_redact_photo(text, jsonb) to bus311_status;

create or replace function bus311_settle_photo(
    photo bigint, last_sequence integer, verdict text, why text, public_hash bytea, public_size integer, wide integer, high integer,
    small_hash bytea, small_size integer, event uuid, event_shard smallint, event_type text, event_body bytea)
returns boolean language plpgsql security definer set search_path = public as $$
declare found_photo photos%rowtype;
begin
    select * into found_photo from photos where id = photo and state in ('received', 'redacting') for update;
    if not found then return false; end if;
    update service_requests set sequence = sequence + 1,
        media_urls = case when verdict = 'refused'
                          then array_remove(media_urls, '/media/' || found_photo.token || '.jpg') else media_urls end,
        updated_at = case when verdict = 'refused' then greatest(updated_at, now()) else updated_at end
        where id = found_photo.request_id and tenant_id = found_photo.tenant_id and sequence = last_sequence;
    if not found then return false; end if;
    update photos set state = verdict, reason = why, public_sha256 = public_hash, public_bytes = public_size, width = wide, height = high,
        small_sha256 = small_hash, small_bytes = small_size, next_attempt_at = null, redactions = null
        where id = photo;
    -- No CRM hears of what a test endpoint took.
    if found_photo.tenant_id > 0 then
        insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body)
        values (event, found_photo.tenant_id, event_shard, found_photo.request_id, last_sequence + 1, event_type, event_body);
    end if;
    return true;
end $$;
