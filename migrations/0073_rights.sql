-- What a person may ask of the city: to see, to withdraw, to be forgotten; and what the CRM answers when it is told to forget.

-- Null while the CRM has not answered. erased: it has forgotten too. kept: it may not, for a reason that is a code.
alter table erasures
    add column crm_outcome text check (crm_outcome in ('erased', 'kept')),
    add column crm_reason text check (crm_reason ~ '^[a-z_]{1,64}$'),
    add column crm_answered_at timestamptz,
    add constraint crm_answer_is_whole check ((crm_outcome is null) = (crm_answered_at is null) and (crm_outcome is not null or crm_reason is null));
create index erasures_awaited on erasures (erased_at) where crm_outcome is null;
create policy status_answers on erasures for update to bus311_status using (tenant_id = bus311_tenant()) with check (tenant_id = bus311_tenant());
grant update (crm_outcome, crm_reason, crm_answered_at) on erasures to bus311_status;
create policy gateway_own on erasures for select to bus311_gateway using (tenant_id = bus311_tenant());
create policy mailer_counts on erasures for select to bus311_mailer using (true);
grant select on erasures to bus311_gateway;
grant select (tenant_id, erased_at, crm_outcome) on erasures to bus311_mailer;

-- Who looked at a person's data or had them erased through which door: no name, no address. Only ever added to.
create table person_accesses (
    number bigint generated always as identity primary key,
    at timestamptz not null default now(),
    tenant_id integer not null,
    who text not null check (length(who) between 1 and 200),
    what text not null check (what in ('export', 'find')),
    requests integer not null
);
grant select on person_accesses to bus311_admin;

-- The decisions that a signed link stands for; each does exactly its thing, for the tenant that the transaction names.
grant execute on function bus311_erase(bigint, integer, text, text, timestamptz, smallint, uuid, text, bytea) to bus311_gateway;
grant execute on function bus311_moderate(bigint, integer, text, text, text, timestamptz, smallint, uuid[], text[], bytea[]) to bus311_gateway;

-- What the page behind a link shows of its request.
create function bus311_link_subject(request bigint)
returns table (number text, service_name text, requested_at timestamptz, status text, status_notes text, language text, hidden boolean,
               erased_at timestamptz, crm_outcome text, crm_answered_at timestamptz, has_reporter boolean)
language sql stable security definer set search_path = public as $$
    select case when r.token is null or r.listed then coalesce(to_jsonb(r) ->> 'given_id', r.id::text) end, r.service_name, r.requested_at,
           r.status, r.status_notes, r.language, r.hidden_listed is not null, r.erased_at, e.crm_outcome, e.crm_answered_at,
           exists (select from reporters p where p.request_id = r.id and p.tenant_id = r.tenant_id)
    from service_requests r left join erasures e on e.request_id = r.id
    where r.id = request and r.tenant_id = bus311_tenant()
$$;

-- The requests of whoever made this one: those with the same e-mail address in the same city, newest first, this one always.
create function bus311_person_requests(request bigint, how_many integer) returns table (request_id bigint)
language sql stable security definer set search_path = public as $$
    select request where exists (select from service_requests r where r.id = request and r.tenant_id = bus311_tenant())
    union
    (select o.request_id
     from reporters p join reporters o on o.tenant_id = p.tenant_id and lower(o.email) = lower(p.email)
     where p.request_id = request and p.tenant_id = bus311_tenant() order by o.request_id desc limit how_many)
$$;

-- Everything that is held on these requests, one JSON object each; that it was read is written down.
create function bus311_person_export(requests bigint[], reader text) returns setof text
language plpgsql volatile security definer set search_path = public as $$
declare
    own integer := bus311_tenant();
    found integer;
begin
    select count(*) into found from service_requests r where r.id = any (requests) and r.tenant_id = own;
    insert into person_accesses (tenant_id, who, what, requests) values (own, reader, 'export', found);
    return query
        select jsonb_build_object(
            'service_request_id', r.id::text,
            'request', to_jsonb(r) - '{id,tenant_id,cell,hidden_listed,listed,token,sequence}'::text[],
            'reporter', (select to_jsonb(p) - '{tenant_id,request_id}'::text[] from reporters p
                         where p.request_id = r.id and p.tenant_id = own),
            'client_references', (select coalesce(jsonb_agg(jsonb_build_object('key', c.key, 'created_at', c.created_at)), '[]')
                                  from client_references c where c.request_id = r.id and c.tenant_id = own),
            'status_updates', (select coalesce(jsonb_agg(to_jsonb(s) - '{tenant_id,request_id,fingerprint,internal_notes}'::text[]
                                                         order by s.occurred_at), '[]')
                               from status_updates s where s.request_id = r.id and s.tenant_id = own),
            'citizen_updates', (select coalesce(jsonb_agg(to_jsonb(u) - '{tenant_id,request_id,fingerprint,number,api_key}'::text[]
                                                          order by u.received_at), '[]')
                                from citizen_updates u where u.request_id = r.id and u.tenant_id = own),
            'moderations', (select coalesce(jsonb_agg(to_jsonb(m) - '{tenant_id,request_id,number,decided_by}'::text[] order by m.decided_at), '[]')
                            from moderations m where m.request_id = r.id and m.tenant_id = own),
            'photos', (select coalesce(jsonb_agg(jsonb_build_object(
                           'path', '/media/' || f.token || '.jpg', 'state', f.state, 'received_at', f.received_at, 'type', f.original_type,
                           'bytes', f.original_bytes, 'lat', f.lat, 'long', f.long, 'taken_at', f.taken_at, 'link', f.source_url)
                           order by f.position), '[]')
                       from photos f where f.request_id = r.id and f.tenant_id = own),
            'notices', (select coalesce(jsonb_agg(jsonb_build_object(
                           'kind', n.kind, 'state', n.state, 'created_at', n.created_at, 'settled_at', n.settled_at) order by n.id), '[]')
                        from notices n where n.request_id = r.id and n.tenant_id = own),
            'erased', (select jsonb_build_object('at', e.erased_at, 'reason', e.reason, 'crm_outcome', e.crm_outcome)
                       from erasures e where e.request_id = r.id and e.tenant_id = own)
        )::text
        from service_requests r where r.id = any (requests) and r.tenant_id = own order by r.requested_at desc;
end $$;

-- An operator looks for a person by his address, within one tenant; that he did is written down.
create function bus311_find_person(address text, who text, how_many integer) returns table (request_id bigint)
language plpgsql volatile security definer set search_path = public as $$
declare own integer := bus311_tenant();
begin
    return query
        select p.request_id from reporters p where p.tenant_id = own and lower(p.email) = lower(address)
        order by p.request_id desc limit how_many;
    insert into person_accesses (tenant_id, who, what, requests)
    select own, who, 'find', count(*) from reporters p where p.tenant_id = own and lower(p.email) = lower(address);
end $$;

revoke execute on function bus311_link_subject(bigint), bus311_person_requests(bigint, integer), bus311_person_export(bigint[], text),
    bus311_find_person(text, text, integer) from public;
grant execute on function bus311_link_subject(bigint), bus311_person_requests(bigint, integer), bus311_person_export(bigint[], text)
    to bus311_gateway, bus311_admin;
grant execute on function bus311_find_person(text, text, integer) to bus311_admin;

-- Apps choose the ids of their updates, and may make them of anything.
create function bus311_erase_update_ids() returns trigger language plpgsql security definer set search_path = public as $$
begin
    update citizen_updates set update_id = 'erased-' || number where request_id = new.request_id and tenant_id = new.tenant_id;
    return null;
end $$;
create trigger erase_update_ids after insert on erasures for each row execute function bus311_erase_update_ids();
