-- As before; where no city wants to write of it, a group of submissions or a status pays for one look and nothing more: the insert would
-- open every month's partition of the reporters first.
create or replace function bus311_note_received() returns trigger language plpgsql security definer set search_path = public as $$
begin
    if not exists (select from notice_policies p where 'received' = any (p.kinds)) then return null; end if;
    insert into notices (tenant_id, request_id, kind, occurred_at)
    select f.tenant_id, f.request_id, 'received', now()
    from fresh f join notice_policies p on p.tenant_id = f.tenant_id
    where f.email is not null and 'received' = any (p.kinds)
    order by f.request_id
    on conflict do nothing;
    return null;
end $$;

create or replace function bus311_note_status() returns trigger language plpgsql security definer set search_path = public as $$
declare
    told text := case split_part(new.status, ',', 1) when 'IN_PROCESS' then 'accepted' when 'PROCESSED' then 'done' when 'REJECTED' then 'rejected' end;
begin
    if told is null or split_part(old.status, ',', 1) = split_part(new.status, ',', 1) or new.erased_at is not null then return null; end if;
    if not exists (select from notice_policies p where p.tenant_id = new.tenant_id and told = any (p.kinds)) then return null; end if;
    insert into notices (tenant_id, request_id, kind, occurred_at, note)
    select new.tenant_id, new.id, told, coalesce(new.status_occurred_at, now()), new.status_notes
    from reporters r
    where r.request_id = new.id and r.tenant_id = new.tenant_id and r.email is not null
    on conflict do nothing;
    return null;
end $$;
