-- What a tenant says of its city (catalogue, boundary, places), whole, version by version. Of each kind one version is live; tables
-- that requests are answered from are made of it in the transaction that publishes it.
create table reference_documents (
    tenant_id integer not null references tenants on delete cascade,
    kind text not null check (kind ~ '^[a-z]+(_[a-z]+)*$' and length(kind) <= 40),
    -- Counted for each kind of a tenant; never given twice.
    number integer not null check (number > 0),
    state text not null check (state in ('draft', 'scheduled', 'published', 'superseded')),
    -- A token's public id, an operator's name, or the host it was fetched from.
    author text not null,
    note text,
    -- The version that was live when this one was made.
    base integer,
    created_at timestamptz not null default now(),
    publish_at timestamptz,
    published_at timestamptz,
    superseded_at timestamptz,
    -- SHA-256 of the body as it was written.
    hash bytea not null check (length(hash) = 32),
    size integer not null,
    body jsonb not null,
    primary key (tenant_id, kind, number),
    check (state <> 'scheduled' or publish_at is not null),
    check (state not in ('published', 'superseded') or published_at is not null)
);
create unique index reference_documents_live on reference_documents (tenant_id, kind) where state = 'published';
create index reference_documents_due on reference_documents (publish_at) where state = 'scheduled';

do $$ begin
    -- Several times as fast as the usual compression, on bodies of megabytes.
    alter table reference_documents alter column body set compression lz4;
exception when feature_not_supported then null;
end $$;

alter table reference_documents enable row level security;
create policy status_own on reference_documents for select to bus311_status using (tenant_id = bus311_tenant());
create policy everybody_else on reference_documents for select to bus311_admin, bus311_watch using (true);
grant select on reference_documents to bus311_status, bus311_admin, bus311_watch;

-- The live catalogue's number. Beside the tenant, so that one statement reads services with the number that they stand under.
alter table tenants add column catalogue_version integer;

-- A kind whose documents are looked up in tables of their own has a function bus311_project_<kind>(tenant, number, body).
create function bus311_project_reference(own integer, of_kind text, which integer, new_body jsonb)
returns void language plpgsql security definer set search_path = public as $$
begin
    if to_regprocedure(format('bus311_project_%s(integer, integer, jsonb)', of_kind)) is not null then
        execute format('select %I($1, $2, $3)', 'bus311_project_' || of_kind) using own, which, new_body;
    end if;
end $$;
revoke execute on function bus311_project_reference(integer, text, integer, jsonb) from public;

-- Services that the new catalogue does not have are retired: requests refer to them. An unchanged one keeps its moment of change, so
-- that the changeset stays.
create function bus311_project_catalogue(own integer, which integer, new_body jsonb)
returns void language plpgsql security definer set search_path = public as $$
begin
    update services set active = false, changed_at = now()
    where tenant_id = own and active
      and code not in (select s ->> 'service_code' from jsonb_array_elements(new_body) s);
    insert into services (tenant_id, code, position, kind, names, summaries, groups, keywords, attributes)
    select own, s ->> 'service_code', (n - 1)::integer, s ->> 'type', s -> 'service_name', s -> 'description', s -> 'group',
           array(select jsonb_array_elements_text(s -> 'keywords')),
           coalesce((
               select jsonb_agg(jsonb_build_object(
                          'code', a -> 'code', 'variable', a -> 'variable', 'datatype', a -> 'datatype', 'required', a -> 'required',
                          'order', a -> 'order', 'question', a -> 'description', 'hint', a -> 'datatype_description',
                          'choices', a -> 'values') order by i)
               from jsonb_array_elements(s -> 'attributes') with ordinality as attribute (a, i)), '[]')
    from jsonb_array_elements(new_body) with ordinality as given (s, n)
    on conflict (tenant_id, code) do update
    set position = excluded.position, kind = excluded.kind, names = excluded.names, summaries = excluded.summaries,
        groups = excluded.groups, keywords = excluded.keywords, attributes = excluded.attributes, active = true, changed_at = now()
    where (services.position, services.kind, services.names, services.summaries, services.groups, services.keywords,
           services.attributes, services.active)
        is distinct from (excluded.position, excluded.kind, excluded.names, excluded.summaries, excluded.groups, excluded.keywords,
           excluded.attributes, true);
    update tenants set catalogue_version = which where id = own;
end $$;
revoke execute on function bus311_project_catalogue(integer, integer, jsonb) from public;

-- A body of null takes requests from anywhere.
create function bus311_project_boundary(own integer, which integer, new_body jsonb)
returns void language sql security definer set search_path = public as $$
    update tenants set boundary = case when jsonb_typeof(new_body) = 'null' then null else new_body end where id = own
$$;
revoke execute on function bus311_project_boundary(integer, integer, jsonb) from public;

-- Inside of the caller's transaction, which holds the lock of the tenant's reference data: the version is live, the former is not.
create function bus311_make_live(own integer, of_kind text, which integer)
returns void language plpgsql security definer set search_path = public as $$
declare
    new_body jsonb;
begin
    update reference_documents set state = 'superseded', superseded_at = now()
    where tenant_id = own and kind = of_kind and state = 'published';
    update reference_documents set state = 'published', published_at = now(), publish_at = null
    where tenant_id = own and kind = of_kind and number = which
    returning body into strict new_body;
    perform bus311_project_reference(own, of_kind, which, new_body);
end $$;
revoke execute on function bus311_make_live(integer, text, integer) from public;

-- Keeps a new version of the tenant that the transaction names, and publishes it: at once when `moment` is null or past, then when it
-- comes; never by itself when it is infinite. `expected` is the version that must be live, 0 for none, null for any.
-- Outcomes: published, scheduled, draft, unchanged (what is live says the same), stale; full after 500 within a day: a program that
-- runs wild fills no disk.
create function bus311_put_reference(
    of_kind text, who text, why text, new_hash bytea, new_body jsonb, new_size integer, moment timestamptz, expected integer)
returns table (outcome text, version integer) language plpgsql security definer set search_path = public as $$
declare
    own integer := bus311_tenant();
    live reference_documents;
    given integer;
begin
    perform pg_advisory_xact_lock(3113, own);
    select * into live from reference_documents d where d.tenant_id = own and d.kind = of_kind and d.state = 'published';
    if expected is not null and coalesce(live.number, 0) <> expected then
        return query select 'stale', live.number;
        return;
    end if;
    -- A body of null says what no document at all says.
    if coalesce(moment, now()) <= now() and coalesce(live.body, 'null') = new_body then
        return query select 'unchanged', coalesce(live.number, 0);
        return;
    end if;
    select coalesce(max(d.number), 0) + 1 into given from reference_documents d where d.tenant_id = own and d.kind = of_kind;
    if exists (
        select from reference_documents d
        where d.tenant_id = own and d.kind = of_kind and d.number = given - 500 and d.created_at > now() - interval '1 day')
    then
        return query select 'full', live.number;
        return;
    end if;
    insert into reference_documents (tenant_id, kind, number, state, author, note, base, publish_at, hash, size, body)
    values (own, of_kind, given, case when moment > now() and isfinite(moment) then 'scheduled' else 'draft' end, who, why, live.number,
            case when moment > now() and isfinite(moment) then moment end, new_hash, new_size, new_body);
    if coalesce(moment, now()) <= now() then
        perform bus311_make_live(own, of_kind, given);
        return query select 'published', given;
    else
        return query select case when isfinite(moment) then 'scheduled' else 'draft' end, given;
    end if;
end $$;

-- Publishes a draft, or says anew when a scheduled version is to be published; an infinite moment makes it a draft again.
-- Outcomes: published, scheduled, draft, unchanged (it is live), stale, unknown, superseded (roll back to it instead).
create function bus311_publish_reference(of_kind text, which integer, moment timestamptz, expected integer)
returns table (outcome text, version integer) language plpgsql security definer set search_path = public as $$
declare
    own integer := bus311_tenant();
    live integer;
    now_is text;
begin
    perform pg_advisory_xact_lock(3113, own);
    select d.number into live from reference_documents d where d.tenant_id = own and d.kind = of_kind and d.state = 'published';
    select d.state into now_is from reference_documents d where d.tenant_id = own and d.kind = of_kind and d.number = which;
    if expected is not null and coalesce(live, 0) <> expected then
        return query select 'stale', live;
    elsif now_is is null then
        return query select 'unknown', live;
    elsif now_is = 'published' then
        return query select 'unchanged', which;
    elsif now_is = 'superseded' then
        return query select 'superseded', which;
    elsif coalesce(moment, now()) <= now() then
        perform bus311_make_live(own, of_kind, which);
        return query select 'published', which;
    else
        update reference_documents d
        set state = case when isfinite(moment) then 'scheduled' else 'draft' end, publish_at = case when isfinite(moment) then moment end
        where d.tenant_id = own and d.kind = of_kind and d.number = which;
        return query select case when isfinite(moment) then 'scheduled' else 'draft' end, which;
    end if;
end $$;

-- Makes what a former version said live again, under a new number: numbers only grow. Outcomes: published, unchanged, stale, unknown.
create function bus311_roll_back_reference(of_kind text, which integer, who text, why text, expected integer)
returns table (outcome text, version integer) language plpgsql security definer set search_path = public as $$
declare
    former reference_documents;
begin
    select * into former from reference_documents d
    where d.tenant_id = bus311_tenant() and d.kind = of_kind and d.number = which and d.state in ('published', 'superseded');
    if not found then
        return query select 'unknown', null::integer;
        return;
    end if;
    return query select * from bus311_put_reference(of_kind, who, why, former.hash, former.body, former.size, null, expected);
end $$;

-- Publishes what is due, oldest first, of all tenants; several processes may do so at once.
create function bus311_publish_due_references(how_many integer)
returns table (tenant integer, of_kind text, version integer) language plpgsql security definer set search_path = public as $$
declare
    due record;
begin
    for due in
        select d.tenant_id, d.kind, d.number from reference_documents d
        where d.state = 'scheduled' and d.publish_at <= now() order by d.publish_at, d.number limit how_many
    loop
        -- Somebody else who publishes for this tenant may be about this very version.
        continue when not pg_try_advisory_xact_lock(3113, due.tenant_id);
        perform from reference_documents d
        where d.tenant_id = due.tenant_id and d.kind = due.kind and d.number = due.number and d.state = 'scheduled'
          and d.publish_at <= now() for update;
        continue when not found;
        begin
            perform bus311_make_live(due.tenant_id, due.kind, due.number);
        exception
            when deadlock_detected or lock_not_available then continue;
            -- One that cannot be published must not keep the others waiting: it is a draft again, and says why.
            when others then
                update reference_documents d
                set state = 'draft', publish_at = null, note = left('not published: ' || sqlerrm, 500)
                where d.tenant_id = due.tenant_id and d.kind = due.kind and d.number = due.number;
                continue;
        end;
        return query select due.tenant_id, due.kind, due.number;
    end loop;
end $$;

revoke execute on function bus311_put_reference(text, text, text, bytea, jsonb, integer, timestamptz, integer) from public;
revoke execute on function bus311_publish_reference(text, integer, timestamptz, integer) from public;
revoke execute on function bus311_roll_back_reference(text, integer, text, text, integer) from public;
revoke execute on function bus311_publish_due_references(integer) from public;
grant execute on function bus311_put_reference(text, text, text, bytea, jsonb, integer, timestamptz, integer) to bus311_status, bus311_admin, bus311_watch;
grant execute on function bus311_publish_reference(text, integer, timestamptz, integer) to bus311_status, bus311_admin;
grant execute on function bus311_roll_back_reference(text, integer, text, text, integer) to bus311_status, bus311_admin;
grant execute on function bus311_publish_due_references(integer) to bus311_watch;

-- What tenants have already is their first version.
insert into reference_documents (tenant_id, kind, number, state, author, published_at, hash, size, body)
select tenant_id, 'catalogue', 1, 'published', 'bus311 migrate', now(), sha256(convert_to(body::text, 'UTF8')), length(body::text), body
from (
    select tenant_id, jsonb_agg(jsonb_build_object(
        'service_code', code, 'type', kind, 'service_name', names, 'description', summaries, 'group', groups,
        'keywords', to_jsonb(keywords),
        'attributes', coalesce((
            select jsonb_agg(jsonb_build_object(
                'code', a -> 'code', 'variable', a -> 'variable', 'datatype', a -> 'datatype', 'required', a -> 'required',
                'order', a -> 'order', 'description', a -> 'question', 'datatype_description', a -> 'hint', 'values', a -> 'choices')
                order by i)
            from jsonb_array_elements(attributes) with ordinality as attribute (a, i)), '[]')) order by position, code) as body
    from services where active group by tenant_id) as catalogues;
update tenants set catalogue_version = 1 where id in (select tenant_id from reference_documents where kind = 'catalogue');

insert into reference_documents (tenant_id, kind, number, state, author, published_at, hash, size, body)
select id, 'boundary', 1, 'published', 'bus311 migrate', now(), sha256(convert_to(boundary::text, 'UTF8')), length(boundary::text), boundary
from tenants where boundary is not null;
