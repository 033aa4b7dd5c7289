-- Backups that were made, for whoever asks how old the last one is.
create table backups (
    number bigint generated always as identity primary key,
    name text not null check (length(name) <= 100),
    started_at timestamptz not null,
    finished_at timestamptz not null,
    bytes bigint not null,
    -- Up to here the copy is whole by itself.
    wal_end pg_lsn not null
);

-- Returns from a backup: what may be missing is younger than the last transaction that came back.
create table restores (
    number bigint generated always as identity primary key,
    at timestamptz not null default now(),
    backup text not null check (length(backup) <= 100),
    recovered_to pg_lsn not null,
    last_commit_at timestamptz
);

-- How often the tenant's events were counted anew: after a restore the sequences of lost events are given out again.
alter table tenants add column epoch smallint not null default 1 check (epoch between 1 and 9999);

-- Events of a tenant whose counting began again say so in their source: `/open311/<tenant>-e2`. What follows the tenant's key is no
-- part of any key, because a key ends with six hexadecimal digits.
create function bus311_outbox_epoch() returns trigger language plpgsql security definer set search_path = public as $$
declare
    written bytea;
    wanted bytea;
    at integer;
begin
    select convert_to('"source":"/open311/' || key || '"', 'UTF8'), convert_to('"source":"/open311/' || key || '-e' || epoch || '"', 'UTF8')
        into written, wanted from tenants where id = abs(new.tenant_id) and epoch > 1;
    if found then
        -- One of the first attributes; further back it would be what somebody typed.
        at := position(written in substring(new.body for 256));
        if at > 0 then new.body := overlay(new.body placing wanted from at for length(written)); end if;
    end if;
    return new;
end $$;

-- What a restored database must do before anybody writes to it. The trigger exists only from the first restore on: until then it
-- would cost, and change nothing. A replay sends the bytes of the first time.
create function bus311_restored(from_backup text, up_to pg_lsn, last_commit timestamptz)
returns table (epoch integer, first_number bigint) language plpgsql as $$
declare jumped bigint;
begin
    update tenants set epoch = tenants.epoch + 1;
    if not exists (select from pg_trigger where tgrelid = 'outbox'::regclass and tgname = 'outbox_epoch') then
        create trigger outbox_epoch before insert on outbox for each row when (new.replay_id is null) execute function bus311_outbox_epoch();
    end if;
    -- Numbers that were given out in the lost time stay theirs: citizens and CRMs have them.
    select (last_value + 6400000) % 1000000000 / 64 * 64 into jumped from service_request_number;
    perform setval('service_request_number', jumped, false);
    insert into restores (backup, recovered_to, last_commit_at) values (from_backup, up_to, last_commit);
    return query select coalesce(max(t.epoch), 1)::integer, jumped from tenants t;
end $$;
-- Which of these numbers are of no request here; erased ones are known.
create function bus311_unknown_requests(numbers bigint[]) returns setof bigint
language sql stable security definer set search_path = public as $$
    select n.id from unnest(numbers) n (id)
    where not exists (select from service_requests r where r.id = n.id) and not exists (select from erasures e where e.request_id = n.id)
    order by 1
$$;
revoke execute on function bus311_unknown_requests(bigint[]) from public;
grant execute on function bus311_unknown_requests(bigint[]) to bus311_admin;
revoke execute on function bus311_restored(text, pg_lsn, timestamptz) from public;
revoke execute on function bus311_outbox_epoch() from public;

grant select, insert on backups to bus311_admin;
grant select on restores to bus311_admin;
grant select on backups to bus311_watch;
