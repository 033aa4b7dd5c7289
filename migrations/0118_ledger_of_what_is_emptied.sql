-- Photos and texts that go when their person is forgotten stand in the ledger and in the rehearsal too, as emptied: their rows go later.
create or replace function bus311_retention_anonymise(
    run_number bigint, own integer, requests bigint[], sequences integer[], event_shard smallint, events uuid[], kind text, bodies bytea[])
returns bigint[] language plpgsql security definer set search_path = public set lock_timeout = '300ms' as $$
declare
    moment timestamptz := bus311_retention_check(run_number);
    taken bigint[];
    oldest timestamptz;
    newest timestamptz;
    gone bigint;
    said bigint;
    noted bigint;
    explained bigint;
    pictures bigint;
begin
    perform bus311_retention_refuse_younger(requests, own, moment, interval '0');
    -- Photos before their request, as the cleaner takes them; a replay copies before this or nothing.
    perform from photos where request_id = any (requests) and tenant_id = own order by id for update;
    perform pg_advisory_xact_lock(3112, own);
    taken := bus311_retention_take(requests, sequences, own, false);
    if cardinality(taken) = 0 then return taken; end if;
    with forgotten as (
        update service_requests r
        set description = '', title = null, address = null, address_id = null, zipcode = null, answers = '[]', media_urls = '{}',
            status_notes = null, service_notice = null, service_object_type = null, service_object_id = null, token = null,
            lat = round(lat::numeric, 2)::double precision, long = round(long::numeric, 2)::double precision,
            listed = false, hidden_listed = null, erased_at = now(), sequence = r.sequence + 1, updated_at = greatest(r.updated_at, now())
        where r.id = any (taken) and r.tenant_id = own
        returning r.requested_at
    )
    select min(requested_at), max(requested_at) into oldest, newest from forgotten;
    delete from reporters where request_id = any (taken) and tenant_id = own;
    get diagnostics gone = row_count;
    update citizen_updates set description = '', media_urls = '{}', fingerprint = '' where request_id = any (taken) and tenant_id = own;
    get diagnostics said = row_count;
    update status_updates set status_notes = null, fingerprint = '' where request_id = any (taken) and tenant_id = own;
    get diagnostics noted = row_count;
    update moderations set reason = '' where request_id = any (taken) and tenant_id = own;
    get diagnostics explained = row_count;
    update photos
    set state = 'revoked', reason = 'erased', lat = null, long = null, taken_at = null, orientation = null,
        original_sha256 = decode(repeat('00', 32), 'hex'),
        public_sha256 = null, public_bytes = null, small_sha256 = null, small_bytes = null, redactions = null, next_attempt_at = null
    where request_id = any (taken) and tenant_id = own;
    get diagnostics pictures = row_count;
    -- What the broker refused before has an index; the rest of the outbox is gone through once, after all requests.
    update outbox
    set body = '', next_attempt_at = null, confirmed_at = now(), last_error = 'erased', state = 'confirmed'
    where request_id = any (taken) and tenant_id = own and attempts > 0 and state in ('pending', 'parked');
    -- A CRM that is not told, by its tenant's choice, is not waited for.
    insert into erasures (request_id, tenant_id, erased_at, reason, asked_by, crm_outcome, crm_reason, crm_answered_at)
    select t, own, now(), 'retention', 'retention run ' || run_number, case when cardinality(events) = 0 then 'kept' end,
           case when cardinality(events) = 0 then 'not_told' end, case when cardinality(events) = 0 then now() end
    from unnest(taken) t on conflict do nothing;
    if own > 0 and cardinality(events) > 0 then
        insert into outbox (event_id, tenant_id, shard, request_id, request_sequence, type, body, created_at)
        select given.event, own, event_shard, given.id, given.sequence + 1, kind, given.body, now()
        from unnest(requests, sequences, events, bodies) given (id, sequence, event, body) where given.id = any (taken) order by given.id;
    end if;
    perform bus311_retention_record(run_number, own, 'service_requests', 'anonymised', cardinality(taken), oldest, newest,
        bus311_retention_ids(taken));
    perform bus311_retention_record(run_number, own, 'reporters', 'deleted', gone, oldest, newest, bus311_retention_ids(taken));
    perform bus311_retention_record(run_number, own, emptied.relation, 'emptied', emptied.rows, oldest, newest, bus311_retention_ids(taken))
    from (values ('citizen_updates', said), ('moderations', explained), ('photos', pictures), ('status_updates', noted)) emptied (relation, rows)
    order by emptied.relation;
    return taken;
end $$;

-- As before, with these.
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
        oldest := null; newest := null; sample := '{}'; action := 'emptied';
        foreach relation in array array['citizen_updates', 'moderations', 'photos', 'status_updates'] loop
            execute format('select count(*) from %I where request_id = any ($1) and tenant_id = $2', relation) into rows using forgotten, own;
            if rows > 0 then return next; end if;
        end loop;
        action := 'deleted';
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
