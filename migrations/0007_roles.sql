-- One role per service, each with the least it needs. They cannot log in until `bus311 migrate` gives them a password.
do $$
declare role text;
begin
    foreach role in array array['bus311_ingest', 'bus311_gateway', 'bus311_status', 'bus311_relay', 'bus311_watch', 'bus311_admin'] loop
        begin
            execute format('create role %I nologin', role);
        -- Roles belong to the cluster: another database of it may have made them.
        exception when duplicate_object or unique_violation then null;
        end;
    end loop;
end $$;

-- The tenant of a read travels as a setting in the same round trip; without it nothing is visible.
create function bus311_tenant() returns integer language sql stable as $$
    select nullif(current_setting('bus311.tenant', true), '')::integer
$$;

alter table service_requests enable row level security;
alter table reporters enable row level security;
alter table client_references enable row level security;
alter table status_updates enable row level security;

-- The grouped insert mixes tenants in one transaction: it may only insert.
grant insert on service_requests, reporters, outbox to bus311_ingest;
grant insert, select on client_references to bus311_ingest;
grant usage on sequence service_request_number, outbox_number to bus311_ingest;
create policy ingest_inserts on service_requests for insert to bus311_ingest with check (true);
create policy ingest_inserts on reporters for insert to bus311_ingest with check (true);
create policy ingest_references on client_references for all to bus311_ingest using (true) with check (true);

grant select on tenants, jurisdictions, access_keys, services to bus311_gateway, bus311_status, bus311_watch;
grant select on service_requests to bus311_gateway;
create policy gateway_reads on service_requests for select to bus311_gateway using (tenant_id = bus311_tenant());

grant select, update on service_requests to bus311_status;
grant select, insert on status_updates to bus311_status;
create policy status_own on service_requests for all to bus311_status
    using (tenant_id = bus311_tenant()) with check (tenant_id = bus311_tenant());
create policy status_own on status_updates for all to bus311_status
    using (tenant_id = bus311_tenant()) with check (tenant_id = bus311_tenant());

grant select on tenants to bus311_relay;
grant select, update on outbox to bus311_relay;

grant select on outbox to bus311_watch;
grant execute on function bus311_make_partitions(integer) to bus311_watch;
revoke execute on function bus311_make_partitions(integer) from public;
grant execute on function bus311_make_partitions(integer) to bus311_watch;

grant select, insert, update, delete on tenants, jurisdictions, access_keys, services to bus311_admin;
grant select on outbox to bus311_admin;
