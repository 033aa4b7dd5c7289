-- A message holds 15 photos and links of a request at most, as its schema says: a citizen's own and those that a CRM adds are counted together.
-- As in 0061, with one outcome more: crowded, for a request that has so many of all kinds.
create or replace function bus311_add_work_photo(
    request bigint, new_token text, kind text, size integer, hash bytea, taken text, turned smallint, at_most integer)
returns table (outcome text, kept_token text) language plpgsql security definer set search_path = public as $$
declare
    own integer := bus311_tenant();
    target service_requests;
    known text;
begin
    select * into target from service_requests r where r.id = request and r.tenant_id = own for update;
    if not found then return query select 'unknown', null::text; return; end if;
    if target.erased_at is not null then return query select 'erased', null::text; return; end if;
    select p.token into known from photos p
    where p.request_id = request and p.tenant_id = own and p.added_by = 'crm' and p.original_sha256 = hash
      and p.state not in ('refused', 'revoked');
    if found then return query select 'repeated', known; return; end if;
    if (select count(*) from photos p where p.request_id = request and p.added_by = 'crm' and p.state not in ('refused', 'revoked')) >= at_most then
        return query select 'full', null::text;
        return;
    end if;
    if cardinality(target.media_urls) >= 15 then return query select 'crowded', null::text; return; end if;
    insert into photos (request_id, tenant_id, position, token, original_type, original_bytes, original_sha256, taken_at, orientation, added_by)
    select request, own, coalesce(max(p.position), 0) + 1, new_token, kind, size, hash, taken, nullif(turned, 0), 'crm'
    from photos p where p.request_id = request and p.tenant_id = own;
    update service_requests
    set media_urls = media_urls || bus311_photo_entry(new_token, null), status_version = status_version + 1,
        updated_at = greatest(updated_at, now()), acknowledged_at = coalesce(acknowledged_at, now())
    where id = request and tenant_id = own;
    return query select 'added', new_token;
end $$;
