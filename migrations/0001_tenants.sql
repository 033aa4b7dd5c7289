-- One CRM application of one or more jurisdictions.
create table tenants (
    id integer generated always as identity primary key,
    key text not null unique check (key ~ '^[a-z][a-z0-9]*(-[a-z0-9]+)*-[0-9a-f]{6}$' and length(key) between 3 and 40),
    name text not null,
    language text not null,
    time_zone text not null,
    shard smallint not null check (shard between 0 and 7),
    virtual_host text not null,
    contact text not null,
    key_service text not null,
    keeps_undeclared_attributes boolean not null default true,
    sends_personal_data boolean not null default true,
    created_at timestamptz not null default now()
);

create table jurisdictions (
    -- Lower-cased by the writer: compared without regard to case.
    jurisdiction_id text primary key check (jurisdiction_id = lower(jurisdiction_id)),
    tenant_id integer not null references tenants on delete cascade,
    position smallint not null
);
create index jurisdictions_tenant on jurisdictions (tenant_id);

-- API keys of apps and bearer tokens of CRMs: the public part and a hash, never the secret.
create table access_keys (
    public_id text primary key,
    kind text not null check (kind in ('key', 'crm')),
    tenant_id integer not null references tenants on delete cascade,
    label text not null,
    secret_hash bytea not null check (length(secret_hash) = 32),
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz
);
create index access_keys_tenant on access_keys (tenant_id, kind);
