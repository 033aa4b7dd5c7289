-- What an app's key opens. CRM tokens have no scopes: status-ingest is all they open.
alter table access_keys add column scopes text[] not null default '{read,write}'
    check (scopes <@ array['read', 'write', 'personal-data', 'test']);

-- Apart from the keys: a use must not make every gateway read the directory again. Written in batches, so minutes behind.
create table access_key_uses (
    public_id text primary key references access_keys on delete cascade,
    last_used_at timestamptz not null
);
grant select, insert, update on access_key_uses to bus311_gateway, bus311_status;
grant select on access_key_uses to bus311_admin;
