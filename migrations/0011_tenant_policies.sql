-- Where a tenant takes requests (GeoJSON polygon or multipolygon), and whether it answers tokens in place of ids.
alter table tenants
    add column boundary jsonb,
    add column defers_identifiers boolean not null default false;
