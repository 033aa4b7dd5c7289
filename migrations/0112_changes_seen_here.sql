-- When a request last changed here for citizens, by our own clock: updated_at is what the CRM says, and may come late. An app that asks what
-- has changed since its last look is told by this. Null for what has not changed since it was made, or since before this column: that is
-- found by updated_at alone, so that nothing has to be filled in and a new request costs nothing.
alter table service_requests add column changed_at timestamptz;
-- With updated_at, so that only what came late is looked at in the table: all else is found by the index of updated_at.
create index service_requests_changed_here on service_requests (tenant_id, changed_at, updated_at) where changed_at is not null;

create function bus311_note_change() returns trigger language plpgsql as $$
begin
    -- Never before what is shown. Whoever moves requested_at writes history: of that nothing happened here.
    new.changed_at := case when new.requested_at = old.requested_at then greatest(clock_timestamp(), new.updated_at) end;
    return new;
end $$;
-- Whatever an answer shows. What citizens do not see, an acknowledgement or an internal note, is no news to them.
create trigger note_change before update on service_requests for each row
    when ((old.requested_at, old.updated_at, old.listed, old.status, old.media_urls, old.status_notes, old.agency_responsible, old.expected_at,
           old.service_notice, old.merged_into, old.given_id, old.description, old.title, old.address, old.lat, old.long, old.erased_at)
          is distinct from
          (new.requested_at, new.updated_at, new.listed, new.status, new.media_urls, new.status_notes, new.agency_responsible, new.expected_at,
           new.service_notice, new.merged_into, new.given_id, new.description, new.title, new.address, new.lat, new.long, new.erased_at))
    execute function bus311_note_change();

-- As before; but a duplicate that was updated later than its parent shows the parent's change all the same, and so has changed now.
create or replace function bus311_tell_duplicates() returns trigger language plpgsql security definer set search_path = public as $$
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
    update service_requests set updated_at = greatest(updated_at, new.updated_at), changed_at = new.changed_at
    where id in (select c.id from service_requests c
                 where c.id = any (children) and c.tenant_id = new.tenant_id order by c.id for no key update);
    if told is null then return null; end if;
    insert into notices (tenant_id, request_id, kind, occurred_at, event, note)
    select new.tenant_id, r.request_id, told, coalesce(new.status_occurred_at, now()),
           bus311_event_of(new.id, new.moved_by, new.status_occurred_at), bus311_note_of(new.tenant_id, new.id, new.moved_by)
    from notice_policies p join reporters r on r.tenant_id = p.tenant_id and r.request_id = any (children) and r.email is not null
    where p.tenant_id = new.tenant_id and told = any (p.kinds)
    order by r.request_id
    on conflict do nothing;
    return null;
end $$;
