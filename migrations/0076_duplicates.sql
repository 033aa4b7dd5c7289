-- Requests that were merged hear of their parent.
--
-- True for a request that others were merged into, null for all others: only its own changes look for children.
alter table service_requests add column has_duplicates boolean;
create index service_requests_duplicates on service_requests (merged_into) where merged_into is not null;

-- What citizens are told of a parent's status; null where they are not.
create function bus311_told_of(status text) returns text language sql immutable as $$
    select case split_part(status, ',', 1) when 'PROCESSED' then 'done' when 'REJECTED' then 'rejected' end
$$;

-- A request became another's duplicate: that one is marked, and when it is settled already, whoever made this one is told so at once. The
-- judge holds both rows.
create function bus311_join_parent() returns trigger language plpgsql security definer set search_path = public as $$
declare
    parent service_requests;
begin
    update service_requests set has_duplicates = true
    where id = new.merged_into and tenant_id = new.tenant_id and has_duplicates is not true;
    select * into parent from service_requests where id = new.merged_into and tenant_id = new.tenant_id;
    if not found or not parent.listed or parent.erased_at is not null then return null; end if;
    insert into notices (tenant_id, request_id, kind, occurred_at, note)
    select new.tenant_id, new.id, bus311_told_of(parent.status), coalesce(parent.status_occurred_at, now()), parent.status_notes
    from notice_policies p join reporters r on r.request_id = new.id and r.tenant_id = p.tenant_id and r.email is not null
    where p.tenant_id = new.tenant_id and bus311_told_of(parent.status) = any (p.kinds)
    on conflict do nothing;
    return null;
end $$;
create trigger tell_merged after update of merged_into on service_requests for each row
    when (new.merged_into is not null and old.merged_into is distinct from new.merged_into and new.erased_at is null)
    execute function bus311_join_parent();

-- A parent changed for citizens: its duplicates, and theirs, count as updated then, and whoever made them is told what the parent's own
-- citizen is told, in the same words. A duplicate that somebody holds is changed by him this moment: nobody waits for it, so that two
-- transactions never wait for each other.
create function bus311_tell_duplicates() returns trigger language plpgsql security definer set search_path = public as $$
declare
    children bigint[];
    told text := case when split_part(old.status, ',', 1) <> split_part(new.status, ',', 1) and new.merged_into is null
                      then bus311_told_of(new.status) end;
begin
    with recursive below as (
        select c.id from service_requests c
        where c.merged_into = new.id and c.tenant_id = new.tenant_id and not c.open and c.erased_at is null
        union
        select c.id from below b join service_requests c on c.merged_into = b.id
        where c.tenant_id = new.tenant_id and not c.open and c.erased_at is null
    )
    select array_agg(id order by id) into children from below where id <> new.id;
    if children is null then return null; end if;
    update service_requests set updated_at = new.updated_at
    where id in (select c.id from service_requests c
                 where c.id = any (children) and c.tenant_id = new.tenant_id and c.updated_at < new.updated_at
                 order by c.id for update skip locked);
    if told is null then return null; end if;
    insert into notices (tenant_id, request_id, kind, occurred_at, note)
    select new.tenant_id, r.request_id, told, coalesce(new.status_occurred_at, now()), new.status_notes
    from notice_policies p join reporters r on r.tenant_id = p.tenant_id and r.request_id = any (children) and r.email is not null
    where p.tenant_id = new.tenant_id and told = any (p.kinds)
    order by r.request_id
    on conflict do nothing;
    return null;
end $$;
create trigger tell_duplicates
    after update of status, status_notes, agency_responsible, expected_at, service_notice on service_requests for each row
    when (new.has_duplicates and new.listed and new.erased_at is null
          and (old.status, old.status_notes, old.agency_responsible, old.expected_at, old.service_notice)
              is distinct from (new.status, new.status_notes, new.agency_responsible, new.expected_at, new.service_notice))
    execute function bus311_tell_duplicates();

revoke execute on function bus311_join_parent(), bus311_tell_duplicates() from public;

-- What was merged before.
update service_requests p set has_duplicates = true
where exists (select from service_requests c where c.merged_into = p.id and c.tenant_id = p.tenant_id);
