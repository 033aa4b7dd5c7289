-- Events on their way to the broker: written with the request, in one transaction; the body is the bytes published.
create sequence outbox_number maxvalue 999999999 minvalue 0 start with 0 cycle;

create function bus311_outbox_seq() returns bigint language sql volatile as $$
    select to_char(now() at time zone 'UTC', 'YYMM')::bigint * 1000000000 + nextval('outbox_number')
$$;

create table outbox (
    seq bigint not null default bus311_outbox_seq() primary key,
    event_id uuid not null,
    tenant_id integer not null,
    shard smallint not null,
    request_id bigint,
    request_sequence integer not null,
    type text not null,
    body bytea not null,
    state text not null default 'pending' check (state in ('pending', 'confirmed', 'parked')),
    attempts integer not null default 0,
    next_attempt_at timestamptz,
    last_error text,
    created_at timestamptz not null default now(),
    confirmed_at timestamptz
) partition by range (seq);
-- Selecting by state has no gap trap: a seq that commits late is still pending.
create index outbox_pending on outbox (shard, seq) where state = 'pending';
create index outbox_parked on outbox (tenant_id) where state = 'parked';
