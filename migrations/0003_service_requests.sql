-- Partitioned on the id, whose first digits are the month: a lookup touches one partition, retention drops one.
-- No foreign keys to tenants: the grouped insert would lock the same tenant rows in every transaction.
create table service_requests (
    id bigint not null primary key,
    tenant_id integer not null,
    service_code text not null,
    service_name text not null,
    description text not null,
    -- The detailed status; open is what GeoReport says of it.
    status text not null default 'RECEIVED',
    open boolean not null default true,
    status_notes text,
    agency_responsible text,
    service_notice text,
    requested_at timestamptz not null,
    updated_at timestamptz not null,
    expected_at timestamptz,
    -- When the newest applied update happened in the CRM: an older one never overwrites it.
    status_occurred_at timestamptz,
    external_reference text,
    lat double precision,
    long double precision,
    address text,
    address_id text,
    zipcode text,
    media_urls text[] not null default '{}',
    answers jsonb not null default '[]',
    received_via text not null,
    language text not null,
    check ((lat is null) = (long is null))
) partition by range (id);
create index service_requests_list on service_requests (tenant_id, requested_at desc, id desc);

-- Numbers are handed out in blocks of 64, so that a gateway asks once for many.
create sequence service_request_number increment by 64 minvalue 0 maxvalue 999999936 start with 0 cycle;

-- Personal data stand here and nowhere else.
create table reporters (
    request_id bigint not null primary key,
    tenant_id integer not null,
    first_name text,
    last_name text,
    email text,
    phone text,
    account_id text,
    device_id text
) partition by range (request_id);

-- What a client called its submission, so that a repetition gets the same answer.
create table client_references (
    tenant_id integer not null,
    key text not null,
    fingerprint bytea not null,
    request_id bigint not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, key)
);
