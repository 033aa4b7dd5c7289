-- The agency is free text of the CRM's: it may name a person. It goes with the person, as internal notes do; by whichever way the request
-- is erased.
create or replace function bus311_erase_internal_notes() returns trigger language plpgsql security definer set search_path = public as $$
begin
    update status_updates set internal_notes = null, service_notice = null, agency_responsible = null
    where request_id = new.id and tenant_id = new.tenant_id
      and (internal_notes is not null or service_notice is not null or agency_responsible is not null);
    return null;
end $$;

create function bus311_erase_agency() returns trigger language plpgsql set search_path = public as $$
begin
    new.agency_responsible := null;
    return new;
end $$;
revoke execute on function bus311_erase_agency() from public;
create trigger erase_agency before update of erased_at on service_requests for each row
    when (new.erased_at is not null and old.erased_at is null) execute function bus311_erase_agency();

-- What was erased before.
update service_requests set agency_responsible = null where erased_at is not null and agency_responsible is not null;
update status_updates s set agency_responsible = null
where s.agency_responsible is not null
  and exists (select from service_requests r where r.id = s.request_id and r.tenant_id = s.tenant_id and r.erased_at is not null);
