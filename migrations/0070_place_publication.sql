-- From a document of reference data to rows that searches find; called where reference data are published (bus311_project_<kind>).
-- What the document no longer has is retired; an unchanged place keeps its moment of change.
create function bus311_project_places(own integer, of_kind text, which integer, new_body jsonb)
returns void language plpgsql security definer set search_path = public set plan_cache_mode = force_custom_plan set jit = off as $$
declare
    taken text;
begin
    select string_agg(id || ' (' || kind || ')', ', ') into taken
    from (
        select p.id, p.kind from jsonb_array_elements(new_body) as e join places p on p.tenant_id = own and p.id = e ->> 'id'
        where p.kind <> of_kind and p.retired_at is null order by p.id limit 10) as others;
    if taken is not null then
        raise exception 'ids that another kind has: %', taken using errcode = 'BU001';
    end if;

    update places set retired_at = now(), updated_at = now(), version = which
    where tenant_id = own and kind = of_kind and retired_at is null
      and id not in (select e ->> 'id' from jsonb_array_elements(new_body) as e);

    insert into places (tenant_id, id, kind, lat, long, metres_lat, metres_long, outline, outline_metres, category, tags, words, parent,
                        codes, capacity, document, version)
    select own, e ->> 'id', of_kind, lat, long, metres_lat, metres_long, corners.outline, corners.outline_metres, e ->> 'category',
           array(select jsonb_array_elements_text(e -> 'tags')),
           bus311_folded((select string_agg(value, E'\n' order by key) from jsonb_each_text(e -> 'name'))),
           e ->> 'parent', array(select jsonb_array_elements_text(e -> 'codes')), (e ->> 'capacity')::integer, e, which
    from jsonb_array_elements(new_body) as e
    cross join lateral (select (e ->> 'lat')::double precision as lat, (e ->> 'long')::double precision as long) as middle
    cross join lateral (
        select 111132.09 - 566.05 * cos(radians(2 * lat)) + 1.20 * cos(radians(4 * lat)) as metres_lat,
               111415.13 * cos(radians(lat)) - 94.55 * cos(radians(3 * lat)) + 0.12 * cos(radians(5 * lat)) as metres_long) as degree
    cross join lateral (
        select ('(' || string_agg(format('(%s,%s)', c ->> 0, c ->> 1), ',' order by n) || ')')::polygon as outline,
               ('(' || string_agg(format('(%s,%s)', (c ->> 0)::double precision * metres_long, (c ->> 1)::double precision * metres_lat),
                                  ',' order by n) || ')')::polygon as outline_metres
        from jsonb_array_elements(e #> '{outline,coordinates,0}') with ordinality as corner (c, n)) as corners
    on conflict (tenant_id, id) do update
    set kind = excluded.kind, lat = excluded.lat, long = excluded.long, metres_lat = excluded.metres_lat,
        metres_long = excluded.metres_long, outline = excluded.outline, outline_metres = excluded.outline_metres,
        category = excluded.category, tags = excluded.tags, words = excluded.words, parent = excluded.parent, codes = excluded.codes,
        capacity = excluded.capacity, document = excluded.document, version = which, updated_at = now(), retired_at = null
    where places.document <> excluded.document or places.kind <> excluded.kind or places.retired_at is not null;

    delete from place_cells k using places p
    where p.tenant_id = own and p.kind = of_kind and p.version = which and k.tenant_id = own and k.place_id = p.id;
    insert into place_cells (tenant_id, cell, place_id)
    select own, bus311_cell(lat, long), id from places
    where tenant_id = own and kind = of_kind and version = which and outline is null
    union
    select own, r * 36000 + c, id
    from places
    cross join lateral (select box(outline) as around) as ground
    cross join lateral generate_series(
        floor((around[1])[1] * 100 + 9000)::integer, floor((around[0])[1] * 100 + 9000)::integer) as r
    cross join lateral generate_series(
        floor((around[1])[0] * 100 + 18000)::integer, floor((around[0])[0] * 100 + 18000)::integer) as c
    where tenant_id = own and kind = of_kind and version = which and outline is not null;

    -- Numbers of free places of what is gone say nothing any more.
    delete from place_counts c using places p
    where p.tenant_id = own and p.kind = of_kind and p.retired_at is not null and c.tenant_id = own and c.place_id = p.id;

    -- A year later, what no request points to is forgotten.
    with forgotten as (
        delete from places p
        where p.tenant_id = own and p.kind = of_kind and p.retired_at < now() - interval '1 year'
          and not exists (
              select from service_requests r
              where r.tenant_id in (own, -own) and r.service_object_type is not null and r.service_object_id = p.id)
        returning id)
    delete from place_cells k using forgotten where k.tenant_id = own and k.place_id = forgotten.id;

    insert into place_collections (tenant_id, kind, version, categories)
    values (own, of_kind, which,
            array(select distinct category from places where tenant_id = own and kind = of_kind and retired_at is null order by 1))
    on conflict (tenant_id, kind) do update
    set version = excluded.version, categories = excluded.categories, published_at = now();
end $$;

create function bus311_project_points_of_interest(own integer, which integer, new_body jsonb)
returns void language sql security definer set search_path = public as $$
    select bus311_project_places(own, 'poi', which, new_body)
$$;
create function bus311_project_parkings(own integer, which integer, new_body jsonb)
returns void language sql security definer set search_path = public as $$
    select bus311_project_places(own, 'parking', which, new_body)
$$;
create function bus311_project_facilities(own integer, which integer, new_body jsonb)
returns void language sql security definer set search_path = public as $$
    select bus311_project_places(own, 'facility', which, new_body)
$$;
create function bus311_project_service_objects(own integer, which integer, new_body jsonb)
returns void language sql security definer set search_path = public as $$
    select bus311_project_places(own, 'object', which, new_body)
$$;
create function bus311_project_place_categories(own integer, which integer, new_body jsonb)
returns void language sql security definer set search_path = public as $$
    insert into place_categories (tenant_id, version, document) values (own, which, new_body)
    on conflict (tenant_id) do update set version = excluded.version, document = excluded.document, published_at = now()
$$;

revoke execute on function bus311_project_places(integer, text, integer, jsonb) from public;
revoke execute on function bus311_project_points_of_interest(integer, integer, jsonb) from public;
revoke execute on function bus311_project_parkings(integer, integer, jsonb) from public;
revoke execute on function bus311_project_facilities(integer, integer, jsonb) from public;
revoke execute on function bus311_project_service_objects(integer, integer, jsonb) from public;
revoke execute on function bus311_project_place_categories(integer, integer, jsonb) from public;
