-- Every call in and out, one row each, only ever added to (docs/operators/audit.md). No body, no address, no name: who calls is a key.

-- A process that numbers its rows. What it numbered and is not there was lost or taken out.
create table audit_writers (
    id integer generated always as identity primary key,
    service text not null,
    began_at timestamptz not null default now(),
    -- What it last said of itself: the last number it gave, and how many of those rows it had to give up.
    seen_at timestamptz not null default now(),
    last_number bigint not null default 0,
    lost bigint not null default 0,
    -- A clean stop, after which nothing comes.
    ended_at timestamptz
);

create sequence audit_row_number cache 256;

create table audit (
    -- When it was written here, by the database's clock: months and days are counted by it, so that a late row changes no closed day.
    stored_at timestamptz not null default now(),
    id bigint not null default nextval('audit_row_number'),
    -- 0 where it is nobody's: an unknown tenant, the installation itself.
    tenant_id integer not null,
    -- When the call began.
    at timestamptz not null,
    direction text not null
        check (direction in ('in.http', 'in.rest', 'in.amqp', 'out.amqp', 'out.http', 'out.smtp', 'admin')),
    -- A key's public id, an operator's account, a service of ours.
    actor text,
    operation text not null,
    request_id bigint,
    objects text,
    result text not null,
    duration_us bigint not null,
    bytes_in bigint not null,
    bytes_out bigint not null,
    -- More than 1 where calls of a flood that differ in nothing were counted together.
    calls integer not null default 1,
    correlation_id text,
    -- W3C trace id, 16 bytes.
    trace_id bytea,
    body_sha256 bytea,
    -- Both null for a row that was written in one transaction with what it tells.
    writer integer,
    number bigint
) partition by range (stored_at);
-- Rows of one group share their moment, so its entries are few.
create index audit_of_tenant on audit (tenant_id, stored_at);

create function bus311_make_audit_partitions(ahead integer default 3) returns integer
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
            made := made + 1;
        end if;
    end loop;
    return made;
end $$;
select bus311_make_audit_partitions();
revoke execute on function bus311_make_audit_partitions(integer) from public;
grant execute on function bus311_make_audit_partitions(integer) to bus311_watch;

-- The owner too is stopped, until he takes this away: rights are the first fence, this is the second, the chain is the third.
create function bus311_refuse_audit_change() returns trigger language plpgsql as $$
begin
    raise insufficient_privilege using message = 'the audit is only ever added to';
end $$;
create trigger append_only before update or delete on audit for each row execute function bus311_refuse_audit_change();

-- A day that is over: the hash of all its rows and of the day before it.
create table audit_seals (
    tenant_id integer not null,
    day date not null,
    rows bigint not null,
    -- Of the tenant's sealed day before; null on its first.
    previous bytea,
    digest bytea not null check (length(digest) = 32),
    sealed_at timestamptz not null default now(),
    primary key (tenant_id, day)
);
create trigger append_only before update or delete on audit_seals for each row execute function bus311_refuse_audit_change();

alter table audit enable row level security;
alter table audit_seals enable row level security;
create policy added on audit for insert
    to bus311_gateway, bus311_status, bus311_relay, bus311_watch, bus311_admin, bus311_photos with check (true);
-- Not stored_at: nobody writes into another day.
grant insert (tenant_id, at, direction, actor, operation, request_id, objects, result, duration_us, bytes_in, bytes_out, calls,
              correlation_id, trace_id, body_sha256, writer, number)
    on audit to bus311_gateway, bus311_status, bus311_relay, bus311_watch, bus311_admin, bus311_photos;
grant usage on sequence audit_row_number
    to bus311_gateway, bus311_status, bus311_relay, bus311_watch, bus311_admin, bus311_photos;
-- Of one tenant for its CRM; everything for operators and for sealing.
create policy own on audit for select to bus311_status using (tenant_id = bus311_tenant());
create policy all_of_it on audit for select to bus311_admin, bus311_watch using (true);
grant select on audit to bus311_status, bus311_admin, bus311_watch;
create policy sealed on audit_seals for all to bus311_watch, bus311_admin using (true) with check (true);
grant select, insert on audit_seals to bus311_watch, bus311_admin;
grant select on audit_writers to bus311_admin, bus311_watch;

create function bus311_audit_begin(name text) returns integer language sql volatile security definer set search_path = public as $$
    insert into audit_writers (service) values (name) returning id
$$;
create function bus311_audit_seen(writer_id integer, given bigint, lost_rows bigint, ends boolean) returns void
language sql volatile security definer set search_path = public as $$
    update audit_writers set seen_at = now(), last_number = greatest(last_number, given), lost = greatest(lost, lost_rows),
        ended_at = case when ends then now() end
    where id = writer_id and ended_at is null
$$;
revoke execute on function bus311_audit_begin(text), bus311_audit_seen(integer, bigint, bigint, boolean) from public;
grant execute on function bus311_audit_begin(text), bus311_audit_seen(integer, bigint, bigint, boolean)
    to bus311_gateway, bus311_status, bus311_relay, bus311_watch, bus311_admin, bus311_photos;

-- Requests that were taken in and of whose POST no row tells, because the process was killed before it was written. Only what the
-- audit could have seen: since its first writer began.
create function bus311_audit_missing(from_at timestamptz, to_at timestamptz)
returns table (tenant_id integer, request_id bigint, requested_at timestamptz, is_test boolean)
language sql stable security definer set search_path = public as $$
    select abs(r.tenant_id), r.id, r.requested_at, r.tenant_id < 0
    from service_requests r
    where r.requested_at >= greatest(from_at, (select min(began_at) from audit_writers)) and r.requested_at < to_at
      and r.id >= to_char(from_at at time zone 'UTC' - interval '1 day', 'YYMM')::bigint * 1000000000
      and r.id < (to_char(to_at at time zone 'UTC', 'YYMM')::bigint + 1) * 1000000000
      and not exists (
          select from audit a
          where a.request_id = r.id and a.tenant_id = abs(r.tenant_id) and a.stored_at >= from_at
            and (a.direction = 'in.http' and a.operation like 'POST requests%' or a.operation = 'recovered'))
$$;
-- Writes a row for each of them, once.
create function bus311_audit_recover(from_at timestamptz, to_at timestamptz) returns integer
language plpgsql volatile security definer set search_path = public as $$
declare recovered integer;
begin
    perform pg_advisory_xact_lock(3110080);
    insert into audit (tenant_id, at, direction, actor, operation, request_id, objects, result, duration_us, bytes_in, bytes_out)
    select m.tenant_id, m.requested_at, 'in.http', 'bus311', 'recovered', m.request_id, case when m.is_test then 'test' end, '200', 0, 0, 0
    from bus311_audit_missing(from_at, to_at) m;
    get diagnostics recovered = row_count;
    return recovered;
end $$;
revoke execute on function bus311_audit_missing(timestamptz, timestamptz), bus311_audit_recover(timestamptz, timestamptz) from public;
grant execute on function bus311_audit_missing(timestamptz, timestamptz), bus311_audit_recover(timestamptz, timestamptz)
    to bus311_watch, bus311_admin;
