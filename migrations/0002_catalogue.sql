-- A tenant's services. Texts are objects of language to text; attributes are an array in display order. The whole of it is
-- read at once into memory, so it is kept as it is read.
create table services (
    tenant_id integer not null references tenants on delete cascade,
    code text not null,
    position integer not null,
    active boolean not null default true,
    kind text not null check (kind in ('realtime', 'batch', 'blackbox')),
    names jsonb not null,
    summaries jsonb not null,
    groups jsonb not null,
    keywords text[] not null default '{}',
    attributes jsonb not null default '[]',
    changed_at timestamptz not null default now(),
    primary key (tenant_id, code)
);

-- Gateways keep all of this in memory and read it again when told.
create function bus311_directory_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('bus311_directory', '');
    return null;
end $$;
create trigger directory_changed after insert or update or delete on tenants
    for each statement execute function bus311_directory_changed();
create trigger directory_changed after insert or update or delete on jurisdictions
    for each statement execute function bus311_directory_changed();
create trigger directory_changed after insert or update or delete on access_keys
    for each statement execute function bus311_directory_changed();
create trigger directory_changed after insert or update or delete on services
    for each statement execute function bus311_directory_changed();
