-- Notices tell of the update that moved a request: its own note, under its own name; and a duplicate is told that it is one.

-- The update that brought the request into its general status, or made it another's duplicate; null for what moved before this was kept.
alter table service_requests add column moved_by text;

alter table notices drop constraint notices_kind_check,
    add constraint notices_kind_check check (kind in ('received', 'accepted', 'done', 'rejected', 'duplicate'));
alter table notice_templates drop constraint notice_templates_kind_check,
    add constraint notice_templates_kind_check check (kind in ('received', 'accepted', 'done', 'rejected', 'duplicate'));

-- Moments may be equal, names of updates are not.
alter table notices add column event text not null default '';
update notices set event = '@' || extract(epoch from occurred_at) where kind <> 'received';
alter table notices drop constraint notices_request_id_kind_occurred_at_key, add unique (request_id, kind, event);

-- A move's name: the request's and the update's.
create function bus311_event_of(request bigint, moved_by text, occurred timestamptz) returns text language sql stable as $$
    select coalesce(request || '/' || moved_by, '@' || extract(epoch from coalesce(occurred, now())))
$$;
-- What citizens were told with it, and with nothing else; null where it said nothing.
create function bus311_note_of(own integer, request bigint, moved_by text) returns text language sql stable set search_path = public as $$
    select status_notes from status_updates where tenant_id = own and request_id = request and update_id = moved_by
$$;

drop trigger note_status on service_requests;
drop trigger tell_merged on service_requests;
drop function bus311_join_parent();

-- A request moved, by whichever door. One that became another's duplicate is told so; where the other is settled already, that is told in
-- place of it, to the duplicates of the duplicate too. The judge holds both rows, and wrote the update first.
create or replace function bus311_note_status() returns trigger language plpgsql security definer set search_path = public as $$
declare
    general text := split_part(new.status, ',', 1);
    joins boolean := new.merged_into is not null and old.merged_into is distinct from new.merged_into;
    told text := case when split_part(old.status, ',', 1) <> general
                      then case general when 'IN_PROCESS' then 'accepted' else bus311_told_of(new.status) end end;
    own_event text := bus311_event_of(new.id, new.moved_by, new.status_occurred_at);
    parent service_requests;
    settled text;
    parents_event text;
    wanted text[];
begin
    if new.erased_at is not null then return null; end if;
    if joins then
        update service_requests set has_duplicates = true
        where id = new.merged_into and tenant_id = new.tenant_id and has_duplicates is not true;
        if general = 'REJECTED' then told := 'duplicate'; end if;
        select * into parent from service_requests
        where id = new.merged_into and tenant_id = new.tenant_id and listed and erased_at is null;
        settled := bus311_told_of(parent.status);
    end if;
    if told is null and settled is null then return null; end if;
    select p.kinds into wanted from notice_policies p where p.tenant_id = new.tenant_id;
    if not found then return null; end if;
    if settled = any (wanted) then
        parents_event := bus311_event_of(parent.id, parent.moved_by, parent.status_occurred_at);
        -- Told of the same before, then opened again and merged again: the merging is the news.
        if exists (select from notices n
                   where n.request_id = new.id and n.kind = settled and n.event = parents_event and n.created_at <> now()) then
            parents_event := own_event;
        end if;
        insert into notices (tenant_id, request_id, kind, occurred_at, event, note)
        with recursive below as (
            select new.id as id
            union
            select c.id from below b join service_requests c on c.merged_into = b.id
            where c.tenant_id = new.tenant_id and not c.open and c.erased_at is null
        )
        select new.tenant_id, b.id, settled, coalesce(parent.status_occurred_at, now()), parents_event,
               -- Settled before moves had names: what it says now.
               coalesce(case when parent.moved_by is null then parent.status_notes
                             else bus311_note_of(parent.tenant_id, parent.id, parent.moved_by) end,
                        case when b.id = new.id then bus311_note_of(new.tenant_id, new.id, new.moved_by) end)
        from below b join reporters r on r.request_id = b.id and r.tenant_id = new.tenant_id and r.email is not null
        where b.id <> parent.id
        order by b.id
        on conflict do nothing;
    -- Whoever wants refusals told wants these told.
    elsif (case told when 'duplicate' then 'rejected' else told end) = any (wanted) then
        insert into notices (tenant_id, request_id, kind, occurred_at, event, note)
        select new.tenant_id, new.id, told, coalesce(new.status_occurred_at, now()), own_event,
               bus311_note_of(new.tenant_id, new.id, new.moved_by)
        from reporters r
        where r.request_id = new.id and r.tenant_id = new.tenant_id and r.email is not null
        on conflict do nothing;
    end if;
    return null;
end $$;
create trigger note_status after update of status, merged_into on service_requests for each row
    when ((old.status, old.merged_into) is distinct from (new.status, new.merged_into)) execute function bus311_note_status();

-- With the parent's own word and its move's name. A duplicate that another transaction has in hand is waited for, not passed over: else its
-- citizens would not see that it moved. Two that wait for each other are told apart by PostgreSQL, and judged again one by one.
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
    update service_requests set updated_at = new.updated_at
    where id in (select c.id from service_requests c
                 where c.id = any (children) and c.tenant_id = new.tenant_id and c.updated_at < new.updated_at
                 order by c.id for no key update);
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

-- As before, with what a duplicate is told: its parent's number, where citizens may see it, and whether there will be a word when the
-- parent is done.
drop function bus311_take_notice(integer);
create function bus311_take_notice(lease integer)
returns table (id bigint, tenant_id integer, request_id bigint, kind text, note text, created_at timestamptz, attempts integer, doubts integer,
               email text, number text, service_name text, requested_at timestamptz, language text, tenant_key text, tenant_name text,
               tenant_language text, time_zone text, from_name text, reply_to text, templates jsonb, parent text, tells_done boolean)
language plpgsql volatile security definer set search_path = public as $$
declare chosen bigint;
begin
    select n.id into chosen from notices n
    where n.state in ('waiting', 'sending') and n.next_attempt_at <= now()
      and not exists (
          select from notices e where e.request_id = n.request_id and e.id < n.id and e.state in ('waiting', 'sending'))
    order by n.next_attempt_at, n.id limit 1 for update of n skip locked;
    if not found then return; end if;
    return query
        with held as (
            update notices h
            set doubts = h.doubts + case when h.state = 'sending' then 1 else 0 end, attempts = h.attempts + 1, state = 'sending',
                next_attempt_at = now() + make_interval(secs => lease / 1000.0)
            where h.id = chosen returning h.*
        )
        select h.id, h.tenant_id, h.request_id, h.kind, h.note, h.created_at, h.attempts, h.doubts, p.email,
               -- A token's holder does not know the number yet.
               case when r.token is null or r.listed then coalesce(to_jsonb(r) ->> 'given_id', r.id::text) end,
               r.service_name, r.requested_at, r.language, t.key, t.name, t.language, t.time_zone, np.from_name, np.reply_to,
               (select jsonb_object_agg(nt.language, jsonb_build_array(nt.subject, nt.body)) from notice_templates nt
                where nt.tenant_id = h.tenant_id and nt.kind = h.kind),
               coalesce(o.given_id, o.id::text),
               coalesce('done' = any (np.kinds) and split_part(o.status, ',', 1) <> 'ARCHIVED', false)
        from held h
        left join reporters p on p.request_id = h.request_id and p.tenant_id = h.tenant_id
        left join service_requests r on r.id = h.request_id and r.tenant_id = h.tenant_id
        left join service_requests o on o.id = r.merged_into and o.tenant_id = h.tenant_id and o.listed and o.erased_at is null
        left join tenants t on t.id = h.tenant_id
        left join notice_policies np on np.tenant_id = h.tenant_id;
end $$;
revoke execute on function bus311_take_notice(integer), bus311_event_of(bigint, text, timestamptz), bus311_note_of(integer, bigint, text)
    from public;
grant execute on function bus311_take_notice(integer) to bus311_mailer;
