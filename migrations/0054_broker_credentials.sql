-- The AMQP users of tenants, as far as the broker does not remember: when each was issued and last seen connected. Never a password.
create table broker_credentials (
    tenant_id integer not null references tenants on delete cascade,
    slot text not null check (slot in ('a', 'b')),
    -- Null when it was issued by an older version.
    issued_at timestamptz,
    last_seen_at timestamptz,
    primary key (tenant_id, slot)
);
-- Since when somebody has looked at the broker's connections without a gap: "not seen" says nothing about a time when nobody looked.
create table broker_watch (
    is_only boolean primary key default true check (is_only),
    since timestamptz not null,
    at timestamptz not null
);
grant select, insert, update, delete on broker_credentials to bus311_admin;
grant select, insert, update on broker_credentials, broker_watch to bus311_watch;
grant select on broker_watch to bus311_admin;
