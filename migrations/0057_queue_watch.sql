-- Who was connected as a tenant's user, and when: the broker does not write into a dead letter who refused it.
create table queue_consumers (
    number bigint generated always as identity primary key,
    tenant_id integer not null,
    -- The AMQP user, what the client calls itself, the host it connects from.
    consumer text not null check (length(consumer) <= 300),
    -- Whether it consumed the request queue; a client that gets its messages one by one does not.
    consumes boolean not null,
    seen_from timestamptz not null default now(),
    -- Null while it is there.
    seen_until timestamptz
);
create unique index queue_consumers_now on queue_consumers (tenant_id, consumer, consumes) where seen_until is null;
create index queue_consumers_tenant on queue_consumers (tenant_id, seen_from);

-- What the watch noticed of the tenants' objects on the broker, until it is settled: by a replay, by a person, or by itself.
create table queue_incidents (
    number bigint generated always as identity primary key,
    tenant_id integer not null,
    kind text not null check (kind in ('purge_suspected', 'queue_deleted', 'config_drift')),
    -- Names of objects and counts, never content.
    detail text not null,
    messages bigint,
    -- Of what was lost from the queue: the events of this window hold all of it.
    replay_from timestamptz,
    replay_to timestamptz,
    noticed_at timestamptz not null default now(),
    settled_at timestamptz,
    settled_by text,
    settlement text
);
create index queue_incidents_open on queue_incidents (tenant_id, kind) where settled_at is null;
create unique index queue_incidents_drift on queue_incidents (tenant_id) where settled_at is null and kind = 'config_drift';

grant select, insert, update, delete on queue_consumers to bus311_watch;
grant select, insert, update on queue_incidents to bus311_watch;
grant select on queue_consumers to bus311_admin;
grant select, update on queue_incidents to bus311_admin;
