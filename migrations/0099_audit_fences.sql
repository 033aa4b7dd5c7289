-- TRUNCATE fires no trigger of rows: the owner is stopped there too, and of each month by itself.
create trigger append_only_whole before truncate on audit for each statement execute function bus311_refuse_audit_change();
create trigger append_only_whole before truncate on audit_seals for each statement execute function bus311_refuse_audit_change();
create trigger append_only_whole before truncate on retention_ledger for each statement execute function bus311_refuse_audit_change();
do $$
declare part regclass;
begin
    for part in select inhrelid from pg_inherits where inhparent = 'audit'::regclass loop
        execute format('create trigger append_only_whole before truncate on %s for each statement execute function bus311_refuse_audit_change()', part);
    end loop;
end $$;

create or replace function bus311_make_audit_partitions(ahead integer default 3) returns integer
language plpgsql security definer set search_path = public as $$
declare
    month timestamp;
    name text;
    made integer := 0;
begin
    perform pg_advisory_xact_lock(3110001);
    for i in -1..ahead loop
        month := date_trunc('month', now() at time zone 'UTC') + make_interval(months => i);
        name := 'audit_' || to_char(month, 'YYMM');
        if to_regclass(name) is null then
            execute format('create table %I partition of audit for values from (%L) to (%L)', name,
                to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
            execute format('create trigger append_only_whole before truncate on %I for each statement execute function bus311_refuse_audit_change()', name);
            made := made + 1;
        end if;
    end loop;
    return made;
end $$;

-- Writes a row for each request of whose POST no row tells, once. By nobody: which key it was is not known any more.
create or replace function bus311_audit_recover(from_at timestamptz, to_at timestamptz) returns integer
language plpgsql volatile security definer set search_path = public as $$
declare recovered integer;
begin
    perform pg_advisory_xact_lock(3110080);
    insert into audit (tenant_id, at, direction, operation, request_id, objects, result, duration_us, bytes_in, bytes_out)
    select m.tenant_id, m.requested_at, 'in.http', 'recovered', m.request_id, case when m.is_test then 'test' end, '200', 0, 0, 0
    from bus311_audit_missing(from_at, to_at) m;
    get diagnostics recovered = row_count;
    return recovered;
end $$;
