-- The file of a photo that waits keeps its name when the photo's address is renewed meanwhile.
alter table photos add column original_name text;
create unique index photos_original on photos (original_name) where original_name is not null;

create or replace function bus311_revoke_photo(asked text, new_token text) returns bigint
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
        update photos set token = new_token,
            original_name = case when state = 'received' then coalesce(original_name, asked) end
            where id = found_photo.id;
        update service_requests set media_urls = array_replace(media_urls, '/media/' || asked || '.jpg', '/media/' || new_token || '.jpg'),
            updated_at = greatest(updated_at, now())
            where id = found_photo.request_id and tenant_id = found_photo.tenant_id;
    end if;
    return found_photo.request_id;
end $$;
