-- Every event leaves a dead row and a dead entry in the index of what waits, so the outbox is vacuumed by what has died, long before
-- a fifth of a month has: relays read that index from its start.
create or replace function bus311_make_partitions(ahead integer default 3) returns integer
language plpgsql security definer set search_path = public as $$
declare
    parent text;
    month date;
    prefix bigint;
    name text;
    made integer := 0;
begin
    perform pg_advisory_xact_lock(3110001);
    for i in -1..ahead loop
        month := (date_trunc('month', now() at time zone 'UTC') + make_interval(months => i))::date;
        prefix := to_char(month, 'YYMM')::bigint;
        foreach parent in array array['service_requests', 'reporters', 'outbox', 'status_updates'] loop
            name := parent || '_' || prefix;
            if to_regclass(name) is null then
                execute format('create table %I partition of %I for values from (%s) to (%s)',
                    name, parent, prefix * 1000000000, (prefix + 1) * 1000000000);
                if parent = 'outbox' then perform bus311_vacuum_early(name); end if;
                made := made + 1;
            end if;
        end loop;
    end loop;
    return made;
end $$;

create function bus311_vacuum_early(name text) returns void language plpgsql as $$
begin
    execute format('alter table %I set (autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_scale_factor = 0.02)', name);
end $$;
revoke execute on function bus311_vacuum_early(text) from public;

select bus311_vacuum_early(c.relname) from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'outbox'::regclass;
