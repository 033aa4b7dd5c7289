-- Points of interest, parkings, facilities and service objects of each tenant, as its published reference data name them: filled in
-- the transaction that publishes a document, so that a reader sees all of one version.
create table places (
    tenant_id integer not null references tenants on delete cascade,
    -- Of its own among all kinds of the tenant: one namespace holds points of interest and parkings.
    id text not null,
    kind text not null check (kind in ('poi', 'parking', 'facility', 'object')),
    lat double precision not null,
    long double precision not null,
    -- Metres of a degree there.
    metres_lat double precision not null,
    metres_long double precision not null,
    -- The ground it covers, as (long, lat); null for what is a point. And the same in metres, for distances.
    outline polygon,
    outline_metres polygon,
    category text not null,
    tags text[] not null,
    -- Names in all languages, as they are searched, one on a line.
    words text not null,
    -- The place that it belongs to.
    parent text,
    -- What stands on it: exact.
    codes text[] not null,
    capacity integer,
    -- All of it, as it was published.
    document jsonb not null,
    -- Of the reference data that last said something new of it.
    version integer not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- Requests may point to it, so that what is taken out of the reference data stays, and is shown as gone.
    retired_at timestamptz,
    primary key (tenant_id, id)
);
create index places_parent on places (tenant_id, parent) where parent is not null;
create index places_version on places (tenant_id, kind, version);

-- Where a place is found: every cell (see bus311_cell) that it touches. Plain numbers, for the reasons of decision 0010.
-- No reference to places: the check of one is planned once a session, for the few rows of that moment, and goes through all of them later.
create table place_cells (
    tenant_id integer not null references tenants on delete cascade,
    cell integer not null,
    place_id text not null,
    primary key (tenant_id, cell, place_id)
);
create index place_cells_place on place_cells (tenant_id, place_id);

-- What is published of each kind, and the categories that its places name.
create table place_collections (
    tenant_id integer not null references tenants on delete cascade,
    kind text not null check (kind in ('poi', 'parking', 'facility', 'object')),
    version integer not null,
    published_at timestamptz not null default now(),
    categories text[] not null,
    primary key (tenant_id, kind)
);

create table place_categories (
    tenant_id integer primary key references tenants on delete cascade,
    version integer not null,
    published_at timestamptz not null default now(),
    document jsonb not null
);

-- Free places of parkings, as they were last counted. A row changes many times a day, in place.
create table place_counts (
    tenant_id integer not null references tenants on delete cascade,
    place_id text not null,
    free integer not null check (free >= 0),
    counted_at timestamptz not null,
    received_at timestamptz not null,
    primary key (tenant_id, place_id)
) with (fillfactor = 50);

-- Lower-case without accents. The decomposed form needs neither an extension nor a locale.
create function bus311_folded(given text) returns text language sql immutable strict parallel safe
return lower(regexp_replace(normalize(given, nfd), '[\u0300-\u036f]', '', 'g'));

-- Metres from a point to a place; 0 inside of its outline.
create function bus311_place_distance(
    at_lat double precision, at_long double precision, lat double precision, long double precision, metres_lat double precision,
    metres_long double precision, outline_metres polygon) returns double precision
language sql immutable parallel safe
return case
    when outline_metres is null then bus311_distance(at_lat, at_long, lat, long)
    else outline_metres <-> point(at_long * metres_long, at_lat * metres_lat)
end;

do $$
declare held text;
begin
    foreach held in array array['places', 'place_cells', 'place_collections', 'place_categories', 'place_counts'] loop
        execute format('alter table %I enable row level security', held);
        execute format('create policy gateway_reads on %I for select to bus311_gateway using (tenant_id = bus311_tenant())', held);
        execute format('create policy status_own on %I for all to bus311_status using (tenant_id = bus311_tenant()) with check (tenant_id = bus311_tenant())', held);
        execute format('grant select on %I to bus311_gateway, bus311_status', held);
    end loop;
end $$;
grant insert, update on place_counts to bus311_status;
