-- The stations of one request's events, for the tenant that the transaction names: an event is found by when it came, because
-- a block index on the moment is free and one on the request would cost every submission.
create function bus311_timeline(request bigint)
returns table (sequence integer, type text, state text, attempts integer, reason text, received timestamptz, stored timestamptz,
               published timestamptz, confirmed timestamptz, replayed boolean)
language sql stable security definer set search_path = public as $$
    with moments as (
        select requested_at as at from service_requests where id = request and tenant_id = bus311_tenant()
        union
        select received_at from citizen_updates where request_id = request and tenant_id = bus311_tenant()
    )
    select o.request_sequence, o.type, o.state, o.attempts, o.last_error, o.created_at, o.stored_at, o.published_at, o.confirmed_at,
           o.replay_id is not null
    from moments m join outbox o on o.created_at = m.at and o.request_id = request and o.tenant_id = bus311_tenant()
        and o.seq >= request / 1000000000 * 1000000000
    order by o.seq
$$;
revoke execute on function bus311_timeline(bigint) from public;
grant execute on function bus311_timeline(bigint) to bus311_status, bus311_admin;

-- Whose a request is, for operators, who name it by its number only.
create function bus311_owner(request bigint) returns integer language sql stable security definer set search_path = public as $$
    select tenant_id from service_requests where id = request
$$;
revoke execute on function bus311_owner(bigint) from public;
grant execute on function bus311_owner(bigint) to bus311_admin;

-- What operators send to a CRM: a ping, a wish for reference data.
grant insert on outbox to bus311_admin;
grant usage on sequence outbox_number to bus311_admin;

-- Timelines are shown to operators too, one tenant at a time; nothing of what citizens wrote.
grant select (id, tenant_id, requested_at, status, open) on service_requests to bus311_admin;
grant select (request_id, update_id, tenant_id, occurred_at, received_at, applied, status, external_reference) on status_updates to bus311_admin;
create policy admin_reads on service_requests for select to bus311_admin using (tenant_id = bus311_tenant());
create policy admin_reads on status_updates for select to bus311_admin using (tenant_id = bus311_tenant());

-- What operators did to messages: kept after the messages are gone.
create table operator_actions (
    number bigint generated always as identity primary key,
    at timestamptz not null default now(),
    who text not null,
    what text not null,
    tenant_id integer,
    -- Ids and counts, never content.
    detail text not null
);
grant select, insert on operator_actions to bus311_admin;

-- A person lets a parked event try again, or gives it up with a reason; the later events of its request follow.
alter table outbox drop constraint outbox_state_check;
alter table outbox add constraint outbox_state_check check (state in ('pending', 'confirmed', 'parked', 'skipped'));

create function bus311_settle_parked(number bigint, gives_up boolean, why text) returns table (tenant integer, event uuid)
language sql volatile security definer set search_path = public as $$
    update outbox set state = case when gives_up then 'skipped' else 'pending' end, attempts = case when gives_up then attempts else 0 end,
        next_attempt_at = null, last_error = why
    where seq = number and state = 'parked'
    returning tenant_id, event_id
$$;
revoke execute on function bus311_settle_parked(bigint, boolean, text) from public;
grant execute on function bus311_settle_parked(bigint, boolean, text) to bus311_admin;
