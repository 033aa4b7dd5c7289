-- One rolling year (docs/operators/retention.md): what goes when, who keeps it from going, and a ledger of what went.

-- Written from the program's own table (Sources/Storage/Retention/RetentionRules.swift) at every `bus311 migrate`; only the owner writes.
create table retention_rules (
    relation text primary key,
    -- request: with its request. rows: by age, row by row. months: by age, a partition at a time. tenant: with its tenant. kept: stays.
    disposal text not null check (disposal in ('request', 'rows', 'months', 'tenant', 'kept')),
    time_column text,
    -- Of rows: how long they stay. Of months: after how long the content is emptied; null where there is none.
    days integer check (days >= 30),
    months integer check (months >= 12),
    check (disposal <> 'rows' or (time_column is not null and days is not null)),
    check (disposal <> 'months' or (time_column is not null and months is not null))
);
grant select on retention_rules to bus311_watch, bus311_admin;

-- A legal hold: nothing of the request goes while it stands. The released ones are the record.
create table request_holds (
    number bigint generated always as identity primary key,
    request_id bigint not null,
    tenant_id integer not null,
    reason text not null check (length(reason) between 1 and 300),
    placed_at timestamptz not null default now(),
    placed_by text not null,
    released_at timestamptz,
    released_by text
);
create unique index request_holds_now on request_holds (request_id) where released_at is null;
grant select on request_holds to bus311_watch, bus311_admin;

create table retention_runs (
    number bigint generated always as identity primary key,
    began_at timestamptz not null default now(),
    -- The moment that terms were counted from.
    clock timestamptz not null,
    made_by text not null,
    ended_at timestamptz,
    outcome text check (outcome in ('finished', 'partial', 'interrupted'))
);
-- From here on a clock that leaps is noticed.
insert into retention_runs (clock, made_by, ended_at, outcome) values (now(), 'bus311 migrate', now(), 'finished');

-- What went: counts, and hashes of the ids. Written in the transaction in which it went, chained, without a person in it.
create table retention_ledger (
    number bigint primary key,
    run bigint not null references retention_runs,
    at timestamptz not null default now(),
    -- 0 where it is no single tenant's.
    tenant_id integer not null,
    relation text not null,
    action text not null check (action in ('anonymised', 'deleted', 'emptied', 'dropped')),
    rows bigint not null,
    oldest timestamptz,
    newest timestamptz,
    -- SHA-256 of the ids, ascending, joined by commas.
    ids bytea not null check (length(ids) = 32),
    previous bytea,
    digest bytea not null check (length(digest) = 32)
);
create index retention_ledger_run on retention_ledger (run);
create trigger append_only before update or delete on retention_ledger for each row execute function bus311_refuse_audit_change();
grant select on retention_runs, retention_ledger to bus311_watch, bus311_admin;

-- Below this number of the outbox nothing has content.
create table retention_progress (relation text primary key, above bigint not null);

-- A tenant that is gone, or says nothing, has the year. Whatever stands in the arrangement, never less than a month.
create function bus311_retention_term(arrangement jsonb, service text) returns interval language sql immutable parallel safe
return make_interval(months => least(24, greatest(1, coalesce(
    (arrangement #>> array['retention_services', service])::integer, (arrangement ->> 'retention_months')::integer, 12))));

-- The shortest of a tenant's terms.
create function bus311_retention_shortest(arrangement jsonb) returns interval language sql immutable parallel safe
return (
    select min(bus311_retention_term(arrangement, s))
    from (select '' as s union all
          select jsonb_object_keys(case when jsonb_typeof(arrangement -> 'retention_services') = 'object'
                                        then arrangement -> 'retention_services' else '{}' end)) named);

-- From then on the row itself goes, in which nobody is any more.
create function bus311_retention_rest(arrangement jsonb) returns interval language sql immutable parallel safe
return make_interval(days => least(90, greatest(0, coalesce((arrangement ->> 'retention_rest_days')::integer, 30))));

create function bus311_retention_digest(
    previous bytea, number bigint, run bigint, at timestamptz, tenant_id integer, relation text, action text, rows bigint,
    oldest timestamptz, newest timestamptz, ids bytea) returns bytea language sql immutable
return sha256(coalesce(previous, '') || convert_to(concat_ws('|', number, run, extract(epoch from at), tenant_id, relation, action, rows,
    coalesce(extract(epoch from oldest)::text, '-'), coalesce(extract(epoch from newest)::text, '-'), encode(ids, 'hex')), 'UTF8'));

create function bus311_retention_ids(ids bigint[]) returns bytea language sql immutable
return sha256(convert_to(coalesce((select string_agg(id::text, ',' order by id) from unnest(ids) id), ''), 'UTF8'));

-- Inside of the transaction in which it goes. The caller holds the run's lock, so that nobody else counts.
create function bus311_retention_record(
    run_number bigint, tenant integer, which text, did text, how_many bigint, from_at timestamptz, to_at timestamptz, hash bytea)
returns void language plpgsql set search_path = public as $$
declare
    last retention_ledger;
    next bigint;
begin
    if how_many = 0 and did <> 'dropped' then return; end if;
    select * into last from retention_ledger order by number desc limit 1;
    next := coalesce(last.number, 0) + 1;
    insert into retention_ledger (number, run, tenant_id, relation, action, rows, oldest, newest, ids, previous, digest)
    values (next, run_number, tenant, which, did, how_many, from_at, to_at, hash, last.digest,
            bus311_retention_digest(last.digest, next, run_number, now(), tenant, which, did, how_many, from_at, to_at, hash));
end $$;

-- Entries that are not what was written, or do not follow the one before.
create function bus311_retention_verify() returns table (entry bigint, problem text)
language sql stable security definer set search_path = public as $$
    select number, case
        when number <> coalesce(number_before, 0) + 1 then 'an entry before it is missing'
        when previous is distinct from digest_before then 'it does not follow the one before'
        else 'it is not what was written' end
    from (select *, lag(number) over w as number_before, lag(digest) over w as digest_before
          from retention_ledger window w as (order by number)) l
    where number <> coalesce(number_before, 0) + 1 or previous is distinct from digest_before
       or digest <> bus311_retention_digest(previous, number, run, at, tenant_id, relation, action, rows, oldest, newest, ids)
    order by number
$$;

-- Begins a run, whose lock this session then holds; null while another has it.
create function bus311_retention_begin(as_of timestamptz, who text, after_gap boolean) returns bigint
language plpgsql security definer set search_path = public as $$
declare
    last timestamptz;
    number_now bigint;
begin
    if as_of > now() + interval '1 minute' then
        raise exception using errcode = 'B3110', message = 'the given clock is ahead of the database''s: nothing younger goes, ever';
    end if;
    if not pg_try_advisory_lock(3110092) then return null; end if;
    select max(began_at) into last from retention_runs;
    if last > now() + interval '5 minutes' then
        perform pg_advisory_unlock(3110092);
        raise exception using errcode = 'B3111', message = format(
            'the last run was at %s, and the database''s clock says %s: one of the two is wrong', last, now());
    end if;
    if last < now() - interval '35 days' and not after_gap then
        perform pg_advisory_unlock(3110092);
        raise exception using errcode = 'B3111', message = format(
            'the last run was at %s, more than 35 days before what the database''s clock says now (%s): nothing ran, or the clock leapt',
            last, now());
    end if;
    update retention_runs set ended_at = now(), outcome = 'interrupted' where ended_at is null;
    insert into retention_runs (clock, made_by) values (least(as_of, now()), who) returning number into number_now;
    return number_now;
end $$;

create function bus311_retention_end(run_number bigint, how text) returns bytea
language plpgsql security definer set search_path = public as $$
begin
    update retention_runs set ended_at = now(), outcome = how where number = run_number and ended_at is null;
    perform pg_advisory_unlock(3110092);
    return (select digest from retention_ledger order by number desc limit 1);
end $$;

-- Before anything goes: this session holds the run's lock, and its clock is not ahead. Returns the moment that terms count from.
create function bus311_retention_check(run_number bigint) returns timestamptz
language plpgsql set search_path = public as $$
declare r retention_runs;
begin
    select * into r from retention_runs where number = run_number and ended_at is null;
    if not found or not exists (
        select from pg_locks where locktype = 'advisory' and classid = 0 and objid = 3110092 and objsubid = 1 and pid = pg_backend_pid() and granted
          and database = (select oid from pg_database where datname = current_database())) then
        raise exception using errcode = 'B3112', message = 'the run is over, or another process leads it now';
    end if;
    return least(r.clock, now());
end $$;

-- Whoever has requests: tenants, their test endpoints (negative), and those that are gone.
create function bus311_retention_tenants() returns table (tenant_id integer)
language sql stable security definer set search_path = public as $$
    with recursive own (id) as (
        (select min(r.tenant_id) from service_requests r)
        union all
        select (select min(r.tenant_id) from service_requests r where r.tenant_id > own.id) from own where own.id is not null
    )
    select id from own where id is not null
$$;

-- Requests of one tenant whose time has come: to be anonymised, or anonymised before and to be deleted. Oldest first.
create function bus311_retention_due(
    as_of timestamptz, own integer, deletes boolean, after_at timestamptz, after_id bigint, how_many integer)
returns table (id bigint, requested_at timestamptz, sequence integer)
language plpgsql stable security definer set search_path = public set timezone = 'UTC' as $$
declare
    terms jsonb := (select arrangement from tenants where tenants.id = abs(own));
    moment timestamptz := least(as_of, now()) - case when deletes then bus311_retention_rest(terms) else interval '0' end;
    newest timestamptz := moment - bus311_retention_shortest(terms);
    -- A request's number is of its own month; a month more for clocks that differ.
    beyond bigint := (to_char(newest + interval '2 months', 'YYMM')::bigint) * 1000000000;
begin
    return query
        select r.id, r.requested_at, r.sequence from service_requests r
        where r.tenant_id = own and r.requested_at < newest and r.id < beyond and (r.requested_at, r.id) > (after_at, after_id)
          and (r.erased_at is not null) = deletes and r.requested_at < moment - bus311_retention_term(terms, r.service_code)
          and not exists (select from request_holds h where h.request_id = r.id and h.released_at is null)
        order by r.requested_at, r.id limit how_many;
end $$;

-- Refuses what is younger than its term, whoever asks and whatever his clock says.
create function bus311_retention_refuse_younger(requests bigint[], own integer, as_of timestamptz, more interval) returns void
language plpgsql set search_path = public set timezone = 'UTC' as $$
declare
    terms jsonb := (select arrangement from tenants where tenants.id = abs(own));
    younger bigint;
begin
    select r.id into younger from service_requests r
    where r.id = any (requests)
      and (r.tenant_id <> own or r.requested_at >= least(as_of, now()) - more - bus311_retention_term(terms, r.service_code))
    limit 1;
    if found then
        raise exception using errcode = 'B3110', message = format('request %s is younger than its term, or another tenant''s: nothing is removed', younger);
    end if;
end $$;

-- Those of the requests that nobody else is working on and no hold keeps, locked until the transaction ends.
create function bus311_retention_take(requests bigint[], sequences integer[], own integer, deletes boolean) returns bigint[]
language plpgsql set search_path = public as $$
declare taken bigint[];
begin
    select coalesce(array_agg(l.id order by l.id), '{}') into taken from (
        select r.id from service_requests r join unnest(requests, sequences) given (id, sequence) on given.id = r.id
        where r.id = any (requests) and r.tenant_id = own and (r.erased_at is not null) = deletes and r.sequence = given.sequence
        for update of r skip locked
    ) l;
    -- Whoever places a hold holds the row: after the lock, what he said is seen.
    return array(select t from unnest(taken) t
                 where not exists (select from request_holds h where h.request_id = t and h.released_at is null) order by t);
end $$;

-- Forgets the persons behind these requests, as bus311_erase does for one; the events (none where the CRM is not told) were written for
-- the sequences after `sequences`. Returns which.
create function bus311_retention_anonymise(
    run_number bigint, own integer, requests bigint[], sequences integer[], event_shard smallint, events uuid[], kind text, bodies bytea[])
returns bigint[] language plpgsql security definer set search_path = public set lock_timeout = '300ms' as $$
declare
    moment timestamptz := bus311_retention_check(run_number);
    taken bigint[];
    oldest timestamptz;
    newest timestamptz;
    gone bigint;
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
    update status_updates set status_notes = null, fingerprint = '' where request_id = any (taken) and tenant_id = own;
    update moderations set reason = '' where request_id = any (taken) and tenant_id = own;
    update photos
    set state = 'revoked', reason = 'erased', lat = null, long = null, taken_at = null, orientation = null,
        original_sha256 = decode(repeat('00', 32), 'hex'),
        public_sha256 = null, public_bytes = null, small_sha256 = null, small_bytes = null, redactions = null, next_attempt_at = null
    where request_id = any (taken) and tenant_id = own;
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
    return taken;
end $$;

-- Deletes what is left of requests in which nobody is any more.
create function bus311_retention_delete(run_number bigint, own integer, requests bigint[], sequences integer[]) returns bigint[]
language plpgsql security definer set search_path = public set lock_timeout = '300ms' as $$
declare
    moment timestamptz := bus311_retention_check(run_number);
    taken bigint[];
    oldest timestamptz;
    newest timestamptz;
    gone bigint;
    part text;
begin
    perform bus311_retention_refuse_younger(requests, own, moment,
        bus311_retention_rest((select arrangement from tenants where tenants.id = abs(own))));
    perform from photos where request_id = any (requests) and tenant_id = own order by id for update;
    taken := bus311_retention_take(requests, sequences, own, true);
    if cardinality(taken) = 0 then return taken; end if;
    -- By the rules, photos first, as above; references of apps have no index by request, and are gone through on their own.
    for part in
        select relation from retention_rules
        where disposal = 'request' and relation not in ('service_requests', 'client_references') and to_regclass(relation) is not null
        order by relation <> 'photos', relation
    loop
        execute format('delete from %I where request_id = any ($1) and tenant_id = $2', part) using taken, own;
        get diagnostics gone = row_count;
        perform bus311_retention_record(run_number, own, part, 'deleted', gone, null, null, bus311_retention_ids(taken));
    end loop;
    delete from erasures where request_id = any (taken) and reason = 'retention';
    with deleted as (delete from service_requests r where r.id = any (taken) and r.tenant_id = own returning r.requested_at)
    select min(requested_at), max(requested_at) into oldest, newest from deleted;
    perform bus311_retention_record(run_number, own, 'service_requests', 'deleted', cardinality(taken), oldest, newest,
        bus311_retention_ids(taken));
    return taken;
end $$;

-- Whoever deletes a request, by whatever statement: not before its term, and not what is held.
create function bus311_keep_younger() returns trigger language plpgsql security definer set search_path = public set timezone = 'UTC' as $$
begin
    if old.requested_at >= now() - bus311_retention_term((select arrangement from tenants where id = abs(old.tenant_id)), old.service_code) then
        raise exception using errcode = 'B3110', message = format('request %s is younger than its term: it is not deleted', old.id);
    end if;
    if exists (select from request_holds where request_id = old.id and released_at is null) then
        raise exception using errcode = 'B3113', message = format('request %s is held: bus311 retention hold list', old.id);
    end if;
    return old;
end $$;
create trigger keep_younger before delete on service_requests for each row execute function bus311_keep_younger();

-- Nobody is erased from a held request either.
create function bus311_keep_held() returns trigger language plpgsql security definer set search_path = public as $$
begin
    if exists (select from request_holds where request_id = new.id and released_at is null) then
        raise exception using errcode = 'B3113', message = format('request %s is held: bus311 retention hold list', new.id);
    end if;
    return new;
end $$;
create trigger keep_held before update of erased_at on service_requests for each row
    when (old.erased_at is null and new.erased_at is not null) execute function bus311_keep_held();

-- The next events by number: content older than its rule goes, and that of requests in which nobody is any more.
create function bus311_retention_empty(run_number bigint, after bigint, how_many integer)
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
               or o.type not like 'service\_request.erased.%' and exists (select from erasures e where e.request_id = o.request_id))
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

-- What apps called their submissions goes with the request: the next of all references, in the order of their key.
create function bus311_retention_references(run_number bigint, after_tenant integer, after_key text, how_many integer)
returns table (last_tenant integer, last_key text, seen integer, deleted integer)
language plpgsql security definer set search_path = public set lock_timeout = '300ms' as $$
declare
    done bigint[];
    from_at timestamptz;
    to_at timestamptz;
begin
    perform bus311_retention_check(run_number);
    select count(*) into seen from (
        select from client_references c where (c.tenant_id, c.key) > (after_tenant, after_key) order by c.tenant_id, c.key limit how_many) p;
    if seen = 0 then deleted := 0; return next; return; end if;
    select p.tenant_id, p.key into last_tenant, last_key from (
        select c.tenant_id, c.key from client_references c where (c.tenant_id, c.key) > (after_tenant, after_key)
        order by c.tenant_id, c.key limit how_many) p order by p.tenant_id desc, p.key desc limit 1;
    with gone as (
        delete from client_references c
        where (c.tenant_id, c.key) > (after_tenant, after_key) and (c.tenant_id, c.key) <= (last_tenant, last_key)
          and c.created_at < now() - interval '28 days'
          and not exists (select from service_requests r where r.id = c.request_id and r.erased_at is null)
        returning c.request_id, c.created_at
    )
    select coalesce(array_agg(request_id), '{}'), min(created_at), max(created_at) into done, from_at, to_at from gone;
    deleted := cardinality(done);
    perform bus311_retention_record(run_number, 0, 'client_references', 'deleted', deleted, from_at, to_at, bus311_retention_ids(done));
    return next;
end $$;

-- Rows of a table whose rule goes by age; the moment that counts is null while they are needed.
create function bus311_retention_expire(run_number bigint, which text, how_many integer) returns integer
language plpgsql security definer set search_path = public set lock_timeout = '300ms' as $$
declare
    moment timestamptz := bus311_retention_check(run_number);
    rule retention_rules;
    gone integer;
    from_at timestamptz;
    to_at timestamptz;
    hash bytea;
begin
    select * into strict rule from retention_rules where relation = which and disposal = 'rows';
    execute format(
        'with gone as (delete from %1$I where ctid = any (array(select ctid from %1$I where %2$I < $1 limit $2 for update skip locked)) and %2$I < $1
                       returning %2$I as at)
         select count(*), min(at), max(at), sha256(convert_to(coalesce(string_agg(extract(epoch from at)::text, '','' order by at), ''''), ''UTF8''))
         from gone', which, rule.time_column)
        into gone, from_at, to_at, hash using moment - make_interval(days => rule.days), how_many;
    perform bus311_retention_record(run_number, 0, which, 'deleted', gone, from_at, to_at, hash);
    return gone;
end $$;

-- Months that are over for good: of tables that go by months, those past their rule; of requests and what hangs on them, empty ones.
create function bus311_retention_months_over(as_of timestamptz)
returns table (relation text, month text, is_attached boolean, rows_estimated bigint)
language plpgsql stable security definer set search_path = public set timezone = 'UTC' as $$
declare
    part record;
    has_rows boolean;
begin
    for part in
        select rule.relation as parent, rule.disposal, rule.months, right(c.relname, 4) as yymm, c.oid, c.reltuples,
               exists (select from pg_inherits i where i.inhrelid = c.oid) as attached
        from retention_rules rule
        join pg_class p on p.oid = to_regclass(rule.relation) and p.relkind = 'p'
        join pg_class c on c.relnamespace = p.relnamespace and c.relkind = 'r' and c.relname ~ ('^' || rule.relation || '_[0-9]{4}$')
        where rule.disposal in ('months', 'request') order by rule.relation <> 'service_requests', c.relname
    loop
        continue when to_date(part.yymm, 'YYMM') + interval '1 month'
            > least(as_of, now()) - make_interval(months => coalesce(part.months, 12));
        if part.disposal = 'request' then
            -- While a request of the month is there, something may still be said of it.
            execute format('select exists (select from %s) or exists (select from service_requests where id >= $1 and id < $1 + 1000000000)',
                part.oid::regclass) into has_rows using part.yymm::bigint * 1000000000;
            continue when has_rows;
        end if;
        relation := part.parent; month := part.yymm; is_attached := part.attached; rows_estimated := greatest(0, part.reltuples)::bigint;
        return next;
    end loop;
end $$;

-- Takes such a month out of its table. A writer waits for a twentieth of a second at most: then this gives up, to be tried again.
create function bus311_retention_detach(run_number bigint, which text, yymm text) returns boolean
language plpgsql security definer set search_path = public set lock_timeout = '50ms' as $$
declare
    moment timestamptz := bus311_retention_check(run_number);
    rule retention_rules;
    part text := which || '_' || yymm;
    holds_back boolean;
begin
    select * into strict rule from retention_rules where relation = which and disposal in ('months', 'request');
    if not exists (select from bus311_retention_months_over(moment) m where m.relation = which and m.month = yymm and m.is_attached) then
        raise exception using errcode = 'B3110', message = format('%s is younger than its rule, or not empty: it stays', part);
    end if;
    if rule.disposal = 'months' then
        execute format('select exists (select from %I where %I >= $1)', part, rule.time_column)
            into holds_back using moment - make_interval(months => rule.months);
        if holds_back then
            raise exception using errcode = 'B3110', message = format('%s has rows that are younger than its rule: it stays', part);
        end if;
    end if;
    if which = 'outbox' then
        execute format('select exists (select from %I where state in (''pending'', ''parked''))', part) into holds_back;
        if holds_back then return false; end if;
    end if;
    if which = 'audit' and exists (
        select from generate_series(to_date(yymm, 'YYMM'), to_date(yymm, 'YYMM') + interval '1 month' - interval '1 day', interval '1 day') d
        where exists (select from audit a where a.stored_at >= d at time zone 'UTC' and a.stored_at < (d + interval '1 day') at time zone 'UTC')
          and not exists (select from audit_seals s where s.tenant_id = 0 and s.day = d::date)) then
        return false;
    end if;
    execute format('alter table %I detach partition %I', which, part);
    if rule.disposal = 'request' then
        -- Since it was looked at; now nobody can add to it.
        execute format('select exists (select from %I)', part) into holds_back;
        if holds_back then raise exception using errcode = 'B3110', message = format('%s is not empty: it stays', part); end if;
    end if;
    return true;
end $$;

-- Removes a month that was taken out: nobody looks at it any more, so that its size holds nobody up.
create function bus311_retention_drop(run_number bigint, which text, yymm text) returns bigint
language plpgsql security definer set search_path = public set lock_timeout = '300ms' as $$
declare
    moment timestamptz := bus311_retention_check(run_number);
    rule retention_rules;
    part text := which || '_' || yymm;
    key text;
    gone bigint;
    from_at timestamptz;
    to_at timestamptz;
    hash bytea;
begin
    select * into strict rule from retention_rules where relation = which and disposal in ('months', 'request');
    if not exists (select from bus311_retention_months_over(moment) m where m.relation = which and m.month = yymm and not m.is_attached) then
        raise exception using errcode = 'B3110', message = format('%s is younger than its rule, not empty, or in use: it stays', part);
    end if;
    key := case which when 'outbox' then 'seq' when 'audit' then 'id' end;
    if key is null then
        select 0, null, null, sha256('') into gone, from_at, to_at, hash;
    else
        execute format('select count(*), min(%2$I), max(%2$I), sha256(convert_to(coalesce(string_agg(%3$I::text, '','' order by %3$I), ''''), ''UTF8'')) from %1$I',
            part, rule.time_column, key) into gone, from_at, to_at, hash;
    end if;
    execute format('drop table %I', part);
    perform bus311_retention_record(run_number, 0, which, 'dropped', gone, from_at, to_at, hash);
    return gone;
end $$;

-- What a run at that moment would do; nothing is changed.
create function bus311_retention_plan(as_of timestamptz)
returns table (tenant integer, relation text, action text, rows bigint, oldest timestamptz, newest timestamptz, sample text[])
language plpgsql stable security definer set search_path = public set timezone = 'UTC' as $$
declare
    moment timestamptz := least(as_of, now());
    own integer;
    rule retention_rules;
    deletes boolean;
begin
    for own in select t.tenant_id from bus311_retention_tenants() t loop
        tenant := own; relation := 'service_requests';
        foreach deletes in array array[false, true] loop
            action := case when deletes then 'deleted' else 'anonymised' end;
            select count(*), min(d.requested_at), max(d.requested_at), (array_agg(d.id::text order by d.requested_at, d.id))[1:5]
                into rows, oldest, newest, sample
            from bus311_retention_due(moment, own, deletes, '-infinity', 0, null) d;
            if rows > 0 then return next; end if;
        end loop;
        action := 'held';
        select count(*), min(r.requested_at), max(r.requested_at), (array_agg(r.id::text order by r.id))[1:5] into rows, oldest, newest, sample
        from request_holds h join service_requests r on r.id = h.request_id
        where h.released_at is null and r.tenant_id = own
          and r.requested_at < moment - bus311_retention_term((select arrangement from tenants where id = abs(own)), r.service_code);
        if rows > 0 then return next; end if;
    end loop;
    tenant := 0; sample := '{}';
    relation := 'outbox'; action := 'emptied';
    select count(*), min(o.created_at), max(o.created_at) into rows, oldest, newest from outbox o
    where o.seq > coalesce((select p.above from retention_progress p where p.relation = 'outbox'), 0)
      and o.created_at < moment - make_interval(days => (select r.days from retention_rules r where r.relation = 'outbox'))
      and o.body <> '' and o.state in ('confirmed', 'skipped');
    if rows > 0 then return next; end if;
    for rule in select * from retention_rules r where r.disposal = 'rows' and to_regclass(r.relation) is not null order by r.relation loop
        relation := rule.relation; action := 'deleted';
        execute format('select count(*), min(%2$I), max(%2$I) from %1$I where %2$I < $1', rule.relation, rule.time_column)
            into rows, oldest, newest using moment - make_interval(days => rule.days);
        if rows > 0 then return next; end if;
    end loop;
    oldest := null; newest := null; action := 'dropped';
    for relation, rows, sample in select m.relation, m.rows_estimated, array[m.relation || '_' || m.month] from bus311_retention_months_over(moment) m loop
        return next;
    end loop;
end $$;

create function bus311_hold(request bigint, why text, who text) returns text
language plpgsql security definer set search_path = public as $$
declare found_request record;
begin
    -- Whoever removes it takes the row too: one of the two comes first.
    select r.id, r.tenant_id, r.erased_at into found_request from service_requests r where r.id = request for update;
    if not found then return 'unknown'; end if;
    if found_request.erased_at is not null then return 'erased'; end if;
    insert into request_holds (request_id, tenant_id, reason, placed_by) values (request, found_request.tenant_id, why, who)
    on conflict (request_id) where released_at is null do nothing;
    if not found then return 'repeated'; end if;
    -- The reason may name somebody, and this stays longer.
    insert into operator_actions (who, what, tenant_id, detail) values (who, 'legal hold placed', abs(found_request.tenant_id), request::text);
    return 'held';
end $$;

create function bus311_release_hold(request bigint, who text) returns boolean
language plpgsql security definer set search_path = public as $$
declare own integer;
begin
    update request_holds set released_at = now(), released_by = who where request_id = request and released_at is null returning tenant_id into own;
    if not found then return false; end if;
    insert into operator_actions (who, what, tenant_id, detail) values (who, 'legal hold released', abs(own), request::text);
    return true;
end $$;

do $$
declare called text;
begin
    for called in
        select p.oid::regprocedure::text from pg_proc p
        where p.pronamespace = 'public'::regnamespace and (p.proname like 'bus311\_retention\_%' or p.proname in ('bus311_hold', 'bus311_release_hold'))
    loop
        execute format('revoke execute on function %s from public', called);
    end loop;
end $$;
grant execute on function
    bus311_retention_begin(timestamptz, text, boolean), bus311_retention_end(bigint, text), bus311_retention_tenants(),
    bus311_retention_due(timestamptz, integer, boolean, timestamptz, bigint, integer),
    bus311_retention_anonymise(bigint, integer, bigint[], integer[], smallint, uuid[], text, bytea[]),
    bus311_retention_delete(bigint, integer, bigint[], integer[]), bus311_retention_empty(bigint, bigint, integer),
    bus311_retention_references(bigint, integer, text, integer), bus311_retention_expire(bigint, text, integer),
    bus311_retention_months_over(timestamptz), bus311_retention_detach(bigint, text, text), bus311_retention_drop(bigint, text, text)
    to bus311_watch;
grant execute on function bus311_retention_plan(timestamptz), bus311_retention_verify() to bus311_watch, bus311_admin;
grant execute on function bus311_hold(bigint, text, text), bus311_release_hold(bigint, text) to bus311_admin;
