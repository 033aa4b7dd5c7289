-- Makes the monthly partitions from last month to `ahead` months from now. Safe to call at any time, by several at once.
create function bus311_make_partitions(ahead integer default 3) returns integer
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
                made := made + 1;
            end if;
        end loop;
    end loop;
    return made;
end $$;
select bus311_make_partitions();
