-- How many statuses of a tenant's CRM were refused over REST, minute by minute: what is told of repeated failures looks at moments, and the
-- list of refusals keeps one row for what is sent again and again. Over AMQP the inbox has a row for each.
create table refusal_counts (
    tenant_id integer not null,
    minute timestamptz not null,
    refused bigint not null,
    primary key (tenant_id, minute)
);

-- For the tenant that the transaction names.
create function bus311_count_refusals(how_many integer) returns void
language sql volatile security definer set search_path = public as $$
    insert into refusal_counts as c (tenant_id, minute, refused)
    select bus311_tenant(), date_trunc('minute', now()), how_many where bus311_tenant() is not null and how_many > 0
    on conflict (tenant_id, minute) do update set refused = c.refused + excluded.refused
$$;
revoke execute on function bus311_count_refusals(integer) from public;
grant execute on function bus311_count_refusals(integer) to bus311_status;

create or replace function bus311_alert_rejections(since timestamptz) returns table (tenant_id integer, refused bigint)
language sql stable security definer set search_path = public as $$
    select both_doors.tenant_id, sum(both_doors.refused)::bigint from (
        select i.tenant_id, count(*) as refused from status_inbox i
        where i.received_at >= since and i.receipt_type like 'status\_update.rejected.%' group by i.tenant_id
        union all
        select c.tenant_id, sum(c.refused) from refusal_counts c where c.minute >= date_trunc('minute', since) group by c.tenant_id
    ) both_doors group by both_doors.tenant_id
$$;

-- The next events by number: content older than its rule goes, and that of requests in which nobody is any more, or that are gone.
create or replace function bus311_retention_empty(run_number bigint, after bigint, how_many integer)
returns table (last bigint, seen integer, emptied integer)
language plpgsql security definer set search_path = public set lock_timeout = '300ms' as $$
declare
    moment timestamptz := bus311_retention_check(run_number);
    oldest_kept timestamptz := moment - make_interval(days => (select days from retention_rules where relation = 'outbox'));
    start bigint := greatest(after, coalesce((select above from retention_progress where relation = 'outbox'), 0));
    done bigint[];
    from_at timestamptz;
    to_at timestamptz;
    newest timestamptz;
begin
    select max(p.seq), count(*), max(p.created_at) into last, seen, newest
    from (select o.seq, o.created_at from outbox o where o.seq > start order by o.seq limit how_many) p;
    if seen = 0 then last := start; emptied := 0; return next; return; end if;
    with changed as (
        update outbox o
        set body = '', next_attempt_at = null,
            confirmed_at = case when o.state in ('pending', 'parked') then now() else o.confirmed_at end,
            last_error = case when o.state in ('pending', 'parked') then 'erased' else o.last_error end,
            state = case when o.state in ('pending', 'parked') then 'confirmed' else o.state end
        where o.seq > start and o.seq <= bus311_retention_empty.last and o.body <> ''
          and (o.state in ('confirmed', 'skipped') and o.created_at < oldest_kept
               or o.type not like 'service\_request.erased.%' and exists (select from erasures e where e.request_id = o.request_id)
               -- Forgotten and deleted by one run: nothing else tells that anybody was.
               or o.type like 'service\_request.%' and o.type not like 'service\_request.erased.%'
                  and not exists (select from service_requests r where r.id = o.request_id))
        returning o.seq, o.created_at
    )
    select coalesce(array_agg(seq), '{}'), min(created_at), max(created_at) into done, from_at, to_at from changed;
    emptied := cardinality(done);
    perform bus311_retention_record(run_number, 0, 'outbox', 'emptied', emptied, from_at, to_at, bus311_retention_ids(done));
    if newest < oldest_kept then
        insert into retention_progress (relation, above) values ('outbox', last) on conflict (relation) do update set above = excluded.above;
    end if;
    return next;
end $$;

-- What a run at that moment would do; nothing is changed. A run deletes what it has anonymised itself where that too has rested long
-- enough, with all that hangs on it, and takes out the months that are empty then.
create or replace function bus311_retention_plan(as_of timestamptz)
returns table (tenant integer, relation text, action text, rows bigint, oldest timestamptz, newest timestamptz, sample text[])
language plpgsql stable security definer set search_path = public set timezone = 'UTC' as $$
declare
    moment timestamptz := least(as_of, now());
    own integer;
    terms jsonb;
    rule retention_rules;
    part record;
    forgotten bigint[];
    doomed bigint[];
    all_forgotten bigint[] := '{}';
    all_doomed bigint[] := '{}';
    over text[] := '{}';
    stays boolean;
begin
    for own in select t.tenant_id from bus311_retention_tenants() t loop
        tenant := own; terms := (select arrangement from tenants where id = abs(own));
        forgotten := array(select d.id from bus311_retention_due(moment, own, false, '-infinity', 0, null) d);
        doomed := array(
            select d.id from bus311_retention_due(moment, own, true, '-infinity', 0, null) d
            union all
            select r.id from service_requests r
            where r.id = any (forgotten)
              and r.requested_at < moment - bus311_retention_rest(terms) - bus311_retention_term(terms, r.service_code));
        all_forgotten := all_forgotten || forgotten;
        all_doomed := all_doomed || doomed;
        for relation, action, rows, oldest, newest, sample in
            select 'service_requests', given.done, count(*), min(r.requested_at), max(r.requested_at),
                   (array_agg(r.id::text order by r.requested_at, r.id))[1:5]
            from (select 'anonymised' as done, unnest(forgotten) as id union all select 'deleted', unnest(doomed)) given
            join service_requests r on r.id = given.id group by given.done order by given.done
        loop
            return next;
        end loop;
        relation := 'service_requests'; action := 'held';
        select count(*), min(r.requested_at), max(r.requested_at), (array_agg(r.id::text order by r.id))[1:5] into rows, oldest, newest, sample
        from request_holds h join service_requests r on r.id = h.request_id
        where h.released_at is null and r.tenant_id = own and r.requested_at < moment - bus311_retention_term(terms, r.service_code);
        if rows > 0 then return next; end if;
        oldest := null; newest := null; sample := '{}'; action := 'deleted';
        for rule in
            select * from retention_rules r
            where r.disposal = 'request' and r.relation not in ('service_requests', 'client_references') and to_regclass(r.relation) is not null
            order by r.relation
        loop
            relation := rule.relation;
            -- Who it was goes at once, the rest with its request.
            execute format('select count(*) from %I where request_id = any ($1) and tenant_id = $2', rule.relation) into rows
                using case when relation = 'reporters' then forgotten || doomed else doomed end, own;
            if rows > 0 then return next; end if;
        end loop;
    end loop;
    tenant := 0; sample := '{}';
    relation := 'outbox'; action := 'emptied';
    select count(*), min(o.created_at), max(o.created_at) into rows, oldest, newest from outbox o
    where o.seq > coalesce((select p.above from retention_progress p where p.relation = 'outbox'), 0) and o.body <> ''
      and (o.state in ('confirmed', 'skipped')
             and o.created_at < moment - make_interval(days => (select r.days from retention_rules r where r.relation = 'outbox'))
           or o.type not like 'service\_request.erased.%'
             and (exists (select from erasures e where e.request_id = o.request_id)
                  -- What the broker refused goes with the request, uncounted.
                  or o.request_id = any (all_forgotten) and not (o.attempts > 0 and o.state in ('pending', 'parked'))
                  or o.type like 'service\_request.%' and not exists (select from service_requests r where r.id = o.request_id)));
    if rows > 0 then return next; end if;
    relation := 'client_references'; action := 'deleted';
    select count(*), min(c.created_at), max(c.created_at) into rows, oldest, newest from client_references c
    where c.created_at < now() - interval '28 days'
      and (c.request_id = any (all_forgotten)
           or not exists (select from service_requests r where r.id = c.request_id and r.erased_at is null));
    if rows > 0 then return next; end if;
    for rule in select * from retention_rules r where r.disposal = 'rows' and to_regclass(r.relation) is not null order by r.relation loop
        relation := rule.relation; action := 'deleted';
        execute format('select count(*), min(%2$I), max(%2$I) from %1$I where %2$I < $1', rule.relation, rule.time_column)
            into rows, oldest, newest using moment - make_interval(days => rule.days);
        if rows > 0 then return next; end if;
    end loop;
    oldest := null; newest := null; action := 'dropped';
    for relation, rows, sample in select m.relation, m.rows_estimated, array[m.relation || '_' || m.month] from bus311_retention_months_over(moment) m loop
        over := over || sample;
        return next;
    end loop;
    -- Months of requests that are not empty yet, and will be.
    rows := 0;
    for part in
        select r.relation as parent, c.relname, c.oid, right(c.relname, 4) as yymm
        from retention_rules r
        join pg_class p on p.oid = to_regclass(r.relation) and p.relkind = 'p'
        join pg_class c on c.relnamespace = p.relnamespace and c.relkind = 'r' and c.relname ~ ('^' || r.relation || '_[0-9]{4}$')
        where r.disposal = 'request'
        order by r.relation <> 'service_requests', c.relname
    loop
        continue when part.relname = any (over) or to_date(part.yymm, 'YYMM') + interval '1 month' > moment - interval '12 months';
        execute format('select exists (select from service_requests where id >= $1 and id < $1 + 1000000000 and id <> all ($2))
                            or exists (select from %s where %I <> all ($2 || $3))', part.oid::regclass,
                       case part.parent when 'service_requests' then 'id' else 'request_id' end)
            into stays using part.yymm::bigint * 1000000000, all_doomed, case part.parent when 'reporters' then all_forgotten else '{}' end;
        continue when stays;
        relation := part.parent; sample := array[part.relname];
        return next;
    end loop;
end $$;
