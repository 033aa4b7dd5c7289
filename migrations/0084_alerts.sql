-- Each time that something was wrong, from its first sign to its end: what the evaluation remembers over restarts, and the record of it.
create table alerts (
    number bigint generated always as identity primary key,
    code text not null check (code ~ '^[A-Z_]{2,40}$'),
    -- 0 is the installation.
    tenant_id integer not null,
    phase text not null check (phase in ('pending', 'firing', 'resolving', 'ended')),
    severity smallint not null check (severity in (1, 2)),
    since timestamptz not null,
    fired_at timestamptz,
    clear_since timestamptz,
    ended_at timestamptz,
    seen_at timestamptz not null,
    -- Numbers and names of objects, never content: {"now": {}, "peak": {}, "names": []}.
    facts jsonb not null default '{}',
    concerns_tenant boolean not null default true,
    is_unstable boolean not null default false,
    -- Why nobody is told: another alert's code, maintenance or muted.
    silence text,
    was_held boolean not null default false,
    acknowledged_at timestamptz,
    -- A role, or an operator's account; never a citizen.
    acknowledged_by text,
    administrator_told_at timestamptz,
    administrator_told integer not null default 0,
    administrator_severity smallint,
    manager_told_at timestamptz,
    manager_told integer not null default 0,
    manager_severity smallint,
    check ((phase = 'ended') = (ended_at is not null))
);
-- One of each at a time, whoever evaluates.
create unique index alerts_open on alerts (code, tenant_id) where ended_at is null;
create index alerts_fired on alerts (fired_at) where fired_at is not null;

-- What is to be told, until it was told or given up. Whose address it goes to is looked up when it is sent: none stands here.
create table alert_deliveries (
    number bigint generated always as identity primary key,
    -- Null for a test.
    alert_number bigint references alerts on delete cascade,
    tenant_id integer not null,
    channel text not null check (channel in ('email', 'webhook')),
    recipient text not null check (recipient in ('operator', 'tenant_administrator', 'manager')),
    kind text not null,
    subject text not null,
    body text not null,
    -- For the webhook.
    payload jsonb,
    created_at timestamptz not null default now(),
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    sent_at timestamptz,
    given_up_at timestamptz,
    -- A short code of ours, never an address.
    last_error text
);
create index alert_deliveries_due on alert_deliveries (next_attempt_at) where sent_at is null and given_up_at is null;
create index alert_deliveries_alert on alert_deliveries (alert_number);

-- Announced work: nothing new is told of the tenant meanwhile; 0 is the whole installation.
create table alert_maintenance (
    number bigint generated always as identity primary key,
    tenant_id integer not null,
    from_at timestamptz not null,
    to_at timestamptz not null,
    reason text not null check (length(reason) between 1 and 300),
    made_by text not null,
    check (from_at < to_at)
);
create index alert_maintenance_ends on alert_maintenance (to_at);

create table alert_mutes (
    code text not null,
    tenant_id integer not null,
    until timestamptz not null,
    reason text not null check (length(reason) between 1 and 300),
    made_by text not null,
    primary key (code, tenant_id)
);

grant select, insert, update, delete on alerts to bus311_watch;
grant select, insert, update, delete on alert_deliveries to bus311_watch;
grant select, delete on alert_maintenance, alert_mutes to bus311_watch;
grant select on alerts to bus311_admin;
grant update (acknowledged_at, acknowledged_by) on alerts to bus311_admin;
grant select, insert on alert_deliveries to bus311_admin;
grant select, insert, delete, update on alert_maintenance, alert_mutes to bus311_admin;

-- Links that acknowledge are signed with keys that never leave the database: SHA-256 within SHA-256, each with its own key.
create table alert_link_keys (
    is_only boolean primary key default true check (is_only),
    inner_key bytea not null,
    outer_key bytea not null
);
insert into alert_link_keys (inner_key, outer_key)
select decode(replace(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'),
       decode(replace(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');

create function bus311_sign_alert_link(alert bigint, role text, expires bigint) returns text
language sql stable security definer set search_path = public as $$
    select encode(sha256(k.outer_key || sha256(k.inner_key || convert_to('alert-ack ' || alert || ' ' || role || ' ' || expires, 'UTF8'))), 'hex')
    from alert_link_keys k
$$;
revoke execute on function bus311_sign_alert_link(bigint, text, bigint) from public;
grant execute on function bus311_sign_alert_link(bigint, text, bigint) to bus311_watch;

-- What the page of a link shows: nothing for a link that is not ours or too old.
create function bus311_alert_of_link(alert bigint, role text, expires bigint, signature text)
returns table (code text, tenant text, tenant_name text, language text, time_zone text, since timestamptz, ended_at timestamptz, acknowledged_at timestamptz)
language sql stable security definer set search_path = public as $$
    select a.code, t.key, t.name, t.language, t.time_zone, a.since, coalesce(a.ended_at, a.clear_since), a.acknowledged_at
    from alerts a left join tenants t on t.id = a.tenant_id
    where a.number = alert and expires > extract(epoch from now())
      -- Hashed again, so that the time of the comparison tells nothing.
      and sha256(convert_to(signature, 'UTF8')) = sha256(convert_to(bus311_sign_alert_link(alert, role, expires), 'UTF8'))
$$;

create function bus311_acknowledge_by_link(alert bigint, role text, expires bigint, signature text) returns boolean
language plpgsql volatile security definer set search_path = public as $$
begin
    if not exists (select from bus311_alert_of_link(alert, role, expires, signature)) then return false; end if;
    update alerts a set acknowledged_at = now(), acknowledged_by = role where a.number = alert and a.acknowledged_at is null and a.ended_at is null;
    if found then
        insert into operator_actions (who, what, tenant_id, detail)
        select 'link of ' || role, 'alert acknowledged', nullif(a.tenant_id, 0), 'alert ' || alert || ' ' || a.code from alerts a where a.number = alert;
    end if;
    return true;
end $$;
revoke execute on function bus311_alert_of_link(bigint, text, bigint, text) from public;
revoke execute on function bus311_acknowledge_by_link(bigint, text, bigint, text) from public;
grant execute on function bus311_alert_of_link(bigint, text, bigint, text) to bus311_gateway;
grant execute on function bus311_acknowledge_by_link(bigint, text, bigint, text) to bus311_gateway;

-- What the alerts look at, and nothing of what was written: the watch sees counts and moments.
create function bus311_alert_rejections(since timestamptz) returns table (tenant_id integer, refused bigint)
language sql stable security definer set search_path = public as $$
    select i.tenant_id, count(*) from status_inbox i
    where i.received_at >= since and i.receipt_type like 'status\_update.rejected.%' group by i.tenant_id
$$;

-- Requests of one tenant that the broker has and the CRM has not spoken of since `ack_before`, or not moved since `progress_before`;
-- how often citizens and the CRM usually speak. From the requests themselves: statuses have no index by tenant, and a thousand tenants
-- would each look through all of them. A request's last status stands for its statuses: rhythms come out slower than they are, never
-- faster.
create function bus311_alert_history(tenant integer, ack_before timestamptz, progress_before timestamptz, horizon timestamptz)
returns table (unacknowledged bigint, unprogressed bigint, statuses bigint, first_status timestamptz, last_status timestamptz,
               requests bigint, first_request timestamptz, last_request timestamptz, delivered_since timestamptz)
language sql stable security definer set search_path = public as $$
    with own as materialized (
        select r.id, r.requested_at, r.open, r.updated_at, r.external_reference is not null or r.status_occurred_at is not null as is_known,
               r.status_occurred_at is not null as has_status
        from service_requests r
        where r.tenant_id = tenant and r.requested_at >= horizon and r.requested_at <= now()
    ), spoken as materialized (
        select count(*) filter (where updated_at >= now() - interval '30 days') as n,
               min(updated_at) filter (where updated_at >= now() - interval '30 days') as first, max(updated_at) as last
        from own where has_status
    ), silent as (
        select (select min(x.confirmed_at) from outbox x
                where x.created_at = o.requested_at and x.request_id = o.id and x.tenant_id = tenant and x.state = 'confirmed'
                  and x.request_sequence < 2 and x.seq >= o.id / 1000000000 * 1000000000) as confirmed_at
        from own o
        where o.open and not o.is_known and o.requested_at < ack_before
          -- A word that changed nothing is a word.
          and not exists (select from status_updates s where s.request_id = o.id)
        order by o.requested_at desc limit 1000
    )
    select (select count(*) from silent where confirmed_at < ack_before),
           (select count(*) from own o where o.open and o.is_known and o.updated_at < progress_before),
           spoken.n, spoken.first, spoken.last,
           (select count(*) from own where requested_at >= now() - interval '30 days'),
           (select min(requested_at) from own where requested_at >= now() - interval '30 days'), (select max(requested_at) from own),
           (select min(o.requested_at) from own o where o.requested_at > coalesce(spoken.last, '-infinity'))
    from spoken
$$;
revoke execute on function bus311_alert_rejections(timestamptz) from public;
revoke execute on function bus311_alert_history(integer, timestamptz, timestamptz, timestamptz) from public;
grant execute on function bus311_alert_rejections(timestamptz) to bus311_watch;
grant execute on function bus311_alert_history(integer, timestamptz, timestamptz, timestamptz) to bus311_watch;
