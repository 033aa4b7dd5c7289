-- A stored column, because row-level security lets only leak-proof comparisons into an index's condition: `cell = any(...)` is one,
-- a function of the position is not, and then a search near a place read every request of the tenant.
alter table service_requests add column cell integer generated always as (bus311_cell(lat, long)) stored;
drop index service_requests_cell;
create index service_requests_cell on service_requests (tenant_id, cell) where cell is not null;

-- Whether a place lies within a circle. Exact distance costs 8 µs, so it is computed only near the edge of circles up to 20 km: these
-- bounds of a degree's length hold everywhere between 70° south and north, for places that far apart and not across the date line.
create function bus311_within(lat double precision, long double precision, radius double precision,
                              other_lat double precision, other_long double precision)
returns boolean language sql immutable parallel safe
return case
    when radius <= 20000 and abs(lat) <= 70 and abs(long) <= 179 then
        (other_lat - lat) * (other_lat - lat) * (110500.0::double precision * 110500)
            + (other_long - long) * (other_long - long) * (110700.0::double precision * 110700 * cos(radians(lat)) * cos(radians(lat)))
            <= radius * radius
        and ((other_lat - lat) * (other_lat - lat) * (111700.0::double precision * 111700)
            + (other_long - long) * (other_long - long) * (112500.0::double precision * 112500 * cos(radians(lat)) * cos(radians(lat)))
            <= radius * radius or bus311_distance(lat, long, other_lat, other_long) <= radius)
    else bus311_distance(lat, long, other_lat, other_long) <= radius
end;
