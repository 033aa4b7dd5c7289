-- What a CRM may say of a request beside its status, and what it was answered.
alter table service_requests
    -- The service_request_id that the CRM gave in place of ours; citizens see this one.
    add column given_id text,
    -- When the CRM first said that it has the request.
    add column acknowledged_at timestamptz,
    -- The request that this one is a duplicate of.
    add column merged_into bigint,
    -- With status_occurred_at: where the newest applied update stands in the CRM's own order.
    add column status_sequence bigint,
    -- One more with each change by the CRM.
    add column status_version integer not null default 0;

alter table status_updates
    -- The CRM's own code, where `status` came from its mapping.
    add column status_code text,
    -- Never shown to citizens: their role may not read it.
    add column internal_notes text,
    add column agency_responsible text,
    add column expected_at timestamptz,
    add column service_notice text,
    add column merged_into bigint,
    add column source_sequence bigint,
    add column is_acknowledgement boolean not null default false,
    -- False for what says nothing to citizens.
    add column is_public boolean not null default true,
    add column door text,
    add column outcome text,
    add column receipt_id uuid;

revoke select on status_updates from bus311_gateway;
grant select (request_id, update_id, tenant_id, occurred_at, received_at, applied, status, status_notes, external_reference, is_public,
              source_sequence, expected_at, merged_into)
    on status_updates to bus311_gateway;
-- An older update that comes late can make a newer one void.
grant update (applied) on status_updates to bus311_status;
grant select (acknowledged_at) on service_requests to bus311_admin;

-- What was refused left nothing behind: the same message sent again is judged again, and keeps its new answer.
grant update on status_inbox to bus311_status;

-- Names that CRMs give to requests: their own references, as many as they like, and the service_request_id given for a token. Not
-- partitioned, because each is unique for its tenant.
create table request_names (
    tenant_id integer not null,
    kind text not null check (kind in ('reference', 'given')),
    name text not null,
    request_id bigint not null,
    primary key (tenant_id, kind, name)
);
create index request_names_request on request_names (request_id);
alter table request_names enable row level security;
create policy status_own on request_names for all to bus311_status
    using (tenant_id = bus311_tenant()) with check (tenant_id = bus311_tenant());
create policy gateway_reads on request_names for select to bus311_gateway using (tenant_id = bus311_tenant());
grant select, insert on request_names to bus311_status;
grant select on request_names to bus311_gateway;
insert into request_names (tenant_id, kind, name, request_id)
    select distinct on (tenant_id, external_reference) tenant_id, 'reference', external_reference, id from service_requests
    where external_reference is not null order by tenant_id, external_reference, id;

-- What a tenant has chosen for the way back.
alter table tenants
    -- Its CRM's codes: [{"code", "status", "status_notes"}].
    add column status_mapping jsonb not null default '[]',
    -- After so many minutes a token is answered our own id; null: never.
    add column token_minutes integer check (token_minutes > 0),
    -- Within so many minutes its CRM should have acknowledged a request; null: nobody waits for it.
    add column acknowledgement_minutes integer check (acknowledgement_minutes > 0);

-- Called in the transaction that publishes a tenant's mapping: the live one stands beside the tenant, for everybody who reads it.
create function bus311_project_status_mapping(own integer, which integer, new_body jsonb)
returns void language sql security definer set search_path = public as $$
    update tenants set status_mapping = case when jsonb_typeof(new_body) = 'array' then new_body else '[]' end where id = own
$$;
revoke execute on function bus311_project_status_mapping(integer, integer, jsonb) from public;

-- Tokens that wait for an id; only tenants with tokens have rows here.
create index service_requests_waiting_tokens on service_requests (tenant_id, requested_at) where token is not null and not listed;

-- Gives our own id where a tenant's time is over: the requests are listed from now on.
create function bus311_resolve_tokens() returns integer language plpgsql security definer set search_path = public as $$
declare resolved integer;
begin
    update service_requests r
    set listed = r.hidden_listed is null, hidden_listed = case when r.hidden_listed is not null then true end,
        updated_at = greatest(r.updated_at, now())
    from tenants t
    where t.token_minutes is not null and r.tenant_id in (t.id, -t.id) and r.token is not null and not r.listed
      and (r.hidden_listed is null or not r.hidden_listed) and r.erased_at is null
      and r.requested_at < now() - make_interval(mins => t.token_minutes);
    get diagnostics resolved = row_count;
    return resolved;
end $$;
revoke execute on function bus311_resolve_tokens() from public;
grant execute on function bus311_resolve_tokens() to bus311_watch;

-- How many requests of a tenant its CRM has not acknowledged in time, in the last week, and the oldest of them.
create function bus311_unacknowledged() returns table (tenant_id integer, waiting bigint, oldest timestamptz)
language sql stable security definer set search_path = public as $$
    select t.id, count(*), min(r.requested_at)
    from tenants t join service_requests r on r.tenant_id = t.id
    where t.acknowledgement_minutes is not null and r.acknowledged_at is null and r.erased_at is null
      and r.requested_at >= now() - interval '7 days' and r.requested_at < now() - make_interval(mins => t.acknowledgement_minutes)
    group by t.id
$$;
revoke execute on function bus311_unacknowledged() from public;
grant execute on function bus311_unacknowledged() to bus311_watch, bus311_admin;

-- What was said internally of a person's request goes with the person.
create function bus311_erase_internal_notes() returns trigger language plpgsql security definer set search_path = public as $$
begin
    update status_updates set internal_notes = null, service_notice = null
    where request_id = new.id and tenant_id = new.tenant_id and (internal_notes is not null or service_notice is not null);
    return null;
end $$;
create trigger erase_internal_notes after update of erased_at on service_requests for each row
    when (new.erased_at is not null and old.erased_at is null) execute function bus311_erase_internal_notes();

-- Requests of before: what was said of them was an acknowledgement too.
update service_requests r set acknowledged_at = s.first
from (select request_id, min(received_at) as first from status_updates group by request_id) s where s.request_id = r.id;
