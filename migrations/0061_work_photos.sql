-- Photos that a CRM adds to a request of its tenant, after the work as a rule: behind the citizen's own, cleaned and served as those.
alter table photos add column added_by text not null default 'citizen' check (added_by in ('citizen', 'crm'));

-- Adds a photo, already kept, to a request of the tenant that the transaction names. Outcomes: added; repeated, with the token that the
-- same file has already; unknown; erased; full. Only added makes a row.
create function bus311_add_work_photo(
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
    insert into photos (request_id, tenant_id, position, token, original_type, original_bytes, original_sha256, taken_at, orientation, added_by)
    select request, own, coalesce(max(p.position), 0) + 1, new_token, kind, size, hash, taken, nullif(turned, 0), 'crm'
    from photos p where p.request_id = request and p.tenant_id = own;
    update service_requests
    set media_urls = media_urls || bus311_photo_entry(new_token, null), status_version = status_version + 1,
        updated_at = greatest(updated_at, now()), acknowledged_at = coalesce(acknowledged_at, now())
    where id = request and tenant_id = own;
    return query select 'added', new_token;
end $$;
revoke execute on function bus311_add_work_photo(bigint, text, text, integer, bytea, text, smallint, integer) from public;
grant execute on function bus311_add_work_photo(bigint, text, text, integer, bytea, text, smallint, integer) to bus311_status;
