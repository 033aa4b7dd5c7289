-- Whether a tenant's citizens are written to, of what, and whom they answer. Without a row nobody is written to.
create table notice_policies (
    tenant_id integer primary key references tenants on delete cascade,
    kinds text[] not null check (kinds <@ array['received', 'accepted', 'done', 'rejected']),
    -- Shown in place of the installation's address; null for the city's name.
    from_name text check (length(from_name) between 1 and 200),
    reply_to text check (length(reply_to) between 3 and 254)
);

-- A tenant's own words in place of ours.
create table notice_templates (
    tenant_id integer not null references tenants on delete cascade,
    kind text not null check (kind in ('received', 'accepted', 'done', 'rejected')),
    language text not null check (language ~ '^[a-z]{2,3}(-[A-Z0-9]{2})?$'),
    subject text not null check (length(subject) between 1 and 200),
    body text not null check (length(body) between 1 and 10000),
    changed_at timestamptz not null default now(),
    primary key (tenant_id, kind, language)
);

-- Notices on their way to citizens, written in the transaction of what they tell. Whom they go to stands in reporters and nowhere
-- else.
create table notices (
    id bigint generated always as identity primary key,
    tenant_id integer not null,
    request_id bigint not null,
    kind text not null check (kind in ('received', 'accepted', 'done', 'rejected')),
    -- When what it tells happened: with request and kind the event's name.
    occurred_at timestamptz not null,
    -- What the city said then; emptied when the notice is settled.
    note text,
    -- waiting, or sending: in somebody's hands until next_attempt_at. sent: a server took it over. failed: refused for good. expired:
    -- its time was over. doubtful: handed over twice without an answer. dropped: not to be sent any more.
    state text not null default 'waiting' check (state in ('waiting', 'sending', 'sent', 'failed', 'expired', 'doubtful', 'dropped')),
    -- A code, never a server's words: those may name the person.
    reason text check (reason ~ '^[a-z0-9_. ]{1,64}$'),
    attempts integer not null default 0,
    -- How often it was handed over and nothing was heard of it, or whoever held it died.
    doubts integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    settled_at timestamptz,
    -- A keyed hash of the address it went to, so that nobody is flooded.
    address bytea check (length(address) = 32),
    -- Never two for one event.
    unique (request_id, kind, occurred_at)
);
create index notices_waiting on notices (next_attempt_at, id) where state in ('waiting', 'sending');
create index notices_of_address on notices (address, settled_at) where address is not null;
create index notices_settled on notices (settled_at) where settled_at is not null;

-- Who wants no notices: a keyed hash of the address, which says nothing to whoever has not the key.
create table notice_refusals (
    tenant_id integer not null,
    address bytea not null check (length(address) = 32),
    refused_at timestamptz not null default now(),
    primary key (tenant_id, address)
);

do $$
begin
    create role bus311_mailer nologin;
-- Roles belong to the cluster: another database of it may have made them.
exception when duplicate_object or unique_violation then null;
end $$;
grant select, update, delete on notices to bus311_mailer;
grant select on notice_refusals to bus311_mailer;
-- Operators see what becomes of notices, and neither words nor addresses.
grant select (id, tenant_id, request_id, kind, occurred_at, state, reason, attempts, doubts, next_attempt_at, created_at, settled_at),
    update (state, reason, attempts, doubts, next_attempt_at, settled_at) on notices to bus311_admin;
grant select, insert, update, delete on notice_policies, notice_templates to bus311_admin;

-- A report with an address came in: one statement for a whole group of them. Where no city wants to write of it, a group pays for one
-- look and nothing more: the insert would open every month's partition of the reporters first.
create function bus311_note_received() returns trigger language plpgsql security definer set search_path = public as $$
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
create trigger note_received after insert on reporters referencing new table as fresh for each statement
    execute function bus311_note_received();

-- A request moved, by whichever door. The note is what citizens are shown with the status. Test endpoints have no policy.
create function bus311_note_status() returns trigger language plpgsql security definer set search_path = public as $$
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
create trigger note_status after update of status on service_requests for each row when (old.status is distinct from new.status)
    execute function bus311_note_status();

-- Gives the oldest notice that is due into the caller's hands for so many milliseconds, with all that is needed to write it. Of one
-- request's notices the earlier goes first. What was found in somebody's hands beyond that time may have been sent: one doubt more.
create function bus311_take_notice(lease integer)
returns table (id bigint, tenant_id integer, request_id bigint, kind text, note text, created_at timestamptz, attempts integer, doubts integer,
               email text, number text, service_name text, requested_at timestamptz, language text, tenant_key text, tenant_name text,
               tenant_language text, time_zone text, from_name text, reply_to text, templates jsonb)
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
                where nt.tenant_id = h.tenant_id and nt.kind = h.kind)
        from held h
        left join reporters p on p.request_id = h.request_id and p.tenant_id = h.tenant_id
        left join service_requests r on r.id = h.request_id and r.tenant_id = h.tenant_id
        left join tenants t on t.id = h.tenant_id
        left join notice_policies np on np.tenant_id = h.tenant_id;
end $$;
revoke execute on function bus311_take_notice(integer) from public;
grant execute on function bus311_take_notice(integer) to bus311_mailer;

-- The person who opened a link of this request wants no notices any more: none that waits is sent.
create function bus311_refuse_notices(request bigint, hash bytea) returns boolean
language plpgsql volatile security definer set search_path = public as $$
declare own integer := bus311_tenant();
begin
    if not exists (select from reporters where request_id = request and tenant_id = own and email is not null) then return false; end if;
    insert into notice_refusals (tenant_id, address) values (own, hash) on conflict do nothing;
    return true;
end $$;
-- The address a link of this request speaks for: to hash it with the installation's key.
create function bus311_reporter_email(request bigint) returns text language sql stable security definer set search_path = public as $$
    select email from reporters where request_id = request and tenant_id = bus311_tenant()
$$;
revoke execute on function bus311_refuse_notices(bigint, bytea), bus311_reporter_email(bigint) from public;
grant execute on function bus311_refuse_notices(bigint, bytea), bus311_reporter_email(bigint) to bus311_gateway;

-- What is erased is not written of.
create function bus311_erase_notices() returns trigger language plpgsql security definer set search_path = public as $$
begin
    update notices
    set note = null, address = null, settled_at = coalesce(settled_at, now()),
        reason = case when state in ('waiting', 'sending') then 'erased' else reason end,
        state = case when state in ('waiting', 'sending') then 'dropped' else state end
    where request_id = new.request_id and tenant_id = new.tenant_id;
    return null;
end $$;
create trigger erase_notices after insert on erasures for each row execute function bus311_erase_notices();
