-- What searches and answers need beside the core of a request.
alter table service_requests
    add column title text,
    -- The thing that the request is about: an id and the namespace it belongs to (CitySDK, "service object").
    add column service_object_type text,
    add column service_object_id text,
    -- False for what no list and no lookup may show: blackbox services, and tokens whose request the CRM does not know yet.
    add column listed boolean not null default true,
    -- Answered in place of the id by services of type batch.
    add column token text,
    -- Of the newest event of this request.
    add column sequence integer not null default 1;

-- A cell of a hundredth of a degree: about 1.1 km high. A plain number, so that a B-tree serves: three times cheaper to
-- maintain than a spatial index, and the ingest pays for it.
create function bus311_cell(lat double precision, long double precision) returns integer
language sql immutable strict parallel safe
return floor((lat + 90) * 100)::integer * 36000 + floor((long + 180) * 100)::integer;

-- Metres on WGS84 from the radii of curvature at the middle latitude: right to a few centimetres in a city, to 0.1 % at 100 km.
create function bus311_distance(lat double precision, long double precision, other_lat double precision, other_long double precision)
returns double precision language sql immutable strict parallel safe
return sqrt(
    power((111132.09 - 566.05 * cos(radians(lat + other_lat)) + 1.20 * cos(2 * radians(lat + other_lat))) * (other_lat - lat), 2)
    + power((111415.13 * cos(radians(lat + other_lat) / 2) - 94.55 * cos(3 * radians(lat + other_lat) / 2)
        + 0.12 * cos(5 * radians(lat + other_lat) / 2)) * least(abs(other_long - long), 360 - abs(other_long - long)), 2));

create index service_requests_cell on service_requests (tenant_id, bus311_cell(lat, long)) where lat is not null;
-- Partial, so that a new request costs nothing here: what never changed is found by when it was made.
create index service_requests_changed on service_requests (tenant_id, updated_at) where updated_at > requested_at;
create index service_requests_object on service_requests (tenant_id, service_object_type, service_object_id)
    where service_object_type is not null;
create index service_requests_token on service_requests (token) where token is not null;

-- The history that answers show, and who reported it for keys with that right; one tenant at a time, as every read.
grant select on status_updates, reporters to bus311_gateway;
create policy gateway_reads on status_updates for select to bus311_gateway using (tenant_id = bus311_tenant());
create policy gateway_reads on reporters for select to bus311_gateway using (tenant_id = bus311_tenant());
create index status_updates_received on status_updates (tenant_id, received_at, request_id, update_id) where applied;

-- Legal persons.
alter table reporters add column organisation text, add column siret text;
-- A repetition is answered the token of the first.
alter table client_references add column token text;
