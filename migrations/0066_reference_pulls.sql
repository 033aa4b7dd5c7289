-- Reference data that Bus311 fetches itself, or asks the CRM for, on a schedule.
create table reference_pulls (
    tenant_id integer not null references tenants on delete cascade,
    kind text not null,
    -- Null: the CRM is asked by reference_data.refresh_requested.
    url text check (length(url) <= 2000),
    allows_http boolean not null default false,
    every_seconds integer not null check (every_seconds between 60 and 2678400),
    set_by text not null,
    set_at timestamptz not null default now(),
    next_at timestamptz not null default now(),
    -- Somebody is at it until then.
    taken_until timestamptz,
    -- Validators of what was fetched last.
    etag text,
    last_modified text,
    failures integer not null default 0,
    last_at timestamptz,
    last_outcome text,
    last_detail text,
    last_version integer,
    primary key (tenant_id, kind)
);
create index reference_pulls_next on reference_pulls (next_at);
alter table reference_pulls enable row level security;
create policy status_own on reference_pulls for select to bus311_status using (tenant_id = bus311_tenant());
create policy everybody_else on reference_pulls for all to bus311_admin, bus311_watch using (true) with check (true);
grant select on reference_pulls to bus311_status;
grant select, update on reference_pulls to bus311_watch;
grant select, insert, update, delete on reference_pulls to bus311_admin;

-- The watch asks CRMs for what they have.
grant insert on outbox to bus311_watch;
grant usage on sequence outbox_number to bus311_watch;

-- Forgets versions that nobody needs: older than requests are kept; older than five weeks when a hundred newer ones are there and no
-- request was made under it. The live one, what is scheduled and the newest stay.
create function bus311_forget_references() returns integer
language plpgsql security definer set search_path = public as $$
declare
    forgotten integer;
begin
    delete from reference_documents d
    where d.state in ('draft', 'superseded')
      and d.number < (select max(n.number) from reference_documents n where n.tenant_id = d.tenant_id and n.kind = d.kind)
      and (coalesce(d.superseded_at, d.created_at) < now() - interval '400 days'
        or coalesce(d.superseded_at, d.created_at) < now() - interval '35 days'
          and d.number <= (select max(n.number) from reference_documents n where n.tenant_id = d.tenant_id and n.kind = d.kind) - 100
          and (d.kind <> 'catalogue' or not exists (
              select from service_requests r
              where r.tenant_id in (d.tenant_id, -d.tenant_id) and r.catalogue_version = d.number
                -- A gateway may go on for a while with what it has read.
                and r.requested_at >= d.published_at and r.requested_at <= d.superseded_at + interval '1 hour')));
    get diagnostics forgotten = row_count;
    return forgotten;
end $$;
revoke execute on function bus311_forget_references() from public;
grant execute on function bus311_forget_references() to bus311_watch;
