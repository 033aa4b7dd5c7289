-- Every update that a CRM sent, applied or not.
create table status_updates (
    request_id bigint not null,
    update_id text not null,
    tenant_id integer not null,
    fingerprint bytea not null,
    occurred_at timestamptz not null,
    received_at timestamptz not null default now(),
    applied boolean not null,
    status text,
    status_notes text,
    external_reference text,
    primary key (request_id, update_id)
) partition by range (request_id);
