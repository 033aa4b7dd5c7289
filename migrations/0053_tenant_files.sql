-- What a tenant's file says beyond what apps and CRMs see: its limits and what its CRM connects with, as they are read.
alter table tenants add column arrangement jsonb not null default '{}' check (jsonb_typeof(arrangement) = 'object');

-- Whom the operator turns to. Not in tenants: gateways read all of that.
create table tenant_contacts (
    tenant_id integer not null references tenants on delete cascade,
    role text not null check (role in ('technical_administrator', 'manager')),
    name text,
    email text,
    primary key (tenant_id, role)
);
grant select, insert, delete on tenant_contacts to bus311_admin;
grant select on tenant_contacts to bus311_watch;

-- Keys are never given twice: queues, messages and files of another would answer to the name.
create table tenant_tombstones (
    key text primary key,
    tenant_id integer not null,
    closed_at timestamptz not null default now()
);
grant select on tenant_tombstones to bus311_admin;

create function bus311_bury_tenant() returns trigger language plpgsql security definer set search_path = public as $$
begin
    insert into tenant_tombstones (key, tenant_id) values (old.key, old.id) on conflict do nothing;
    return null;
end $$;
create trigger bury after delete on tenants for each row execute function bus311_bury_tenant();

create function bus311_refuse_buried_tenant() returns trigger language plpgsql security definer set search_path = public as $$
begin
    if exists (select from tenant_tombstones where key = new.key) then
        raise unique_violation using message = 'the key ' || new.key || ' was a tenant''s before and is never given again';
    end if;
    return new;
end $$;
create trigger refuse_buried before insert on tenants for each row execute function bus311_refuse_buried_tenant();

-- Off-boardings that have begun. Only for these can an operator read what citizens wrote, and the record says who did.
create table tenant_offboardings (
    tenant_id integer primary key,
    key text not null,
    started_at timestamptz not null default now(),
    started_by text not null
);
grant select, insert on tenant_offboardings to bus311_admin;

create function bus311_is_leaving() returns boolean language sql stable security definer set search_path = public as $$
    select exists (select from tenant_offboardings where tenant_id = bus311_tenant())
$$;

-- Requests of the tenant that the transaction names, in the order in which they came; all columns but those that are made from others.
create function bus311_export_requests(after_at timestamptz, after_id bigint, how_many integer)
returns table (id bigint, requested_at timestamptz, line text)
language sql stable security definer set search_path = public as $$
    select r.id, r.requested_at,
        ((to_jsonb(r) - '{tenant_id,cell,id}'::text[]) || jsonb_build_object(
            'service_request_id', r.id::text, 'reporter', to_jsonb(p) - '{tenant_id,request_id}'::text[]))::text
    from (
        select * from service_requests q
        where q.tenant_id = bus311_tenant() and bus311_is_leaving() and (q.requested_at, q.id) > (after_at, after_id)
        order by q.requested_at, q.id limit how_many
    ) r left join reporters p on p.request_id = r.id
    order by r.requested_at, r.id
$$;

-- What belongs to these requests. `name` is the stored file's, where there is one: of a cleaned photo its hash, of one that waits
-- to be cleaned its token.
create function bus311_export_details(requests bigint[]) returns table (kind text, line text, file_kind text, file_name text)
language sql stable security definer set search_path = public as $$
    select 'status', ((to_jsonb(s) - '{tenant_id,fingerprint}'::text[]) || jsonb_build_object('request_id', s.request_id::text))::text, null, null
    from status_updates s where s.request_id = any (requests) and s.tenant_id = bus311_tenant() and bus311_is_leaving()
    union all
    select 'update', ((to_jsonb(u) - '{tenant_id,fingerprint,number}'::text[]) || jsonb_build_object('request_id', u.request_id::text))::text, null, null
    from citizen_updates u where u.request_id = any (requests) and u.tenant_id = bus311_tenant() and bus311_is_leaving()
    union all
    select 'photo', ((to_jsonb(f) - '{tenant_id,id,attempts,next_attempt_at,redactions}'::text[]) || jsonb_build_object(
            'request_id', f.request_id::text, 'original_sha256', encode(f.original_sha256, 'hex'),
            'public_sha256', encode(f.public_sha256, 'hex'), 'small_sha256', encode(f.small_sha256, 'hex')))::text,
        case when f.state = 'received' then 'original' when f.public_sha256 is not null and f.state = 'ready' then 'cleaned' end,
        case when f.state = 'received' then f.token when f.public_sha256 is not null and f.state = 'ready' then encode(f.public_sha256, 'hex') end
    from photos f where f.request_id = any (requests) and f.tenant_id = bus311_tenant() and bus311_is_leaving()
$$;

-- How many requests there are, and a text that is another one as soon as anything of what is exported has changed.
create function bus311_export_state() returns table (requests bigint, state text)
language sql stable security definer set search_path = public as $$
    select r.count, concat_ws(' ', r.count, r.latest, s.count, s.latest, u.count, u.latest, f.count, f.digest)
    from (select count(*), max(greatest(updated_at, requested_at)) as latest from service_requests
          where tenant_id = bus311_tenant() and bus311_is_leaving()) r,
         (select count(*), max(received_at) as latest from status_updates where tenant_id = bus311_tenant() and bus311_is_leaving()) s,
         (select count(*), max(received_at) as latest from citizen_updates where tenant_id = bus311_tenant() and bus311_is_leaving()) u,
         (select count(*), md5(string_agg(token || state, ',' order by id)) as digest from photos
          where tenant_id = bus311_tenant() and bus311_is_leaving()) f
$$;

revoke execute on function bus311_is_leaving() from public;
revoke execute on function bus311_export_requests(timestamptz, bigint, integer) from public;
revoke execute on function bus311_export_details(bigint[]) from public;
revoke execute on function bus311_export_state() from public;
grant execute on function bus311_export_requests(timestamptz, bigint, integer) to bus311_admin;
grant execute on function bus311_export_details(bigint[]) to bus311_admin;
grant execute on function bus311_export_state() to bus311_admin;
