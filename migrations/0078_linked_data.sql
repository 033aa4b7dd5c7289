-- Places as CitySDK's Linked Data know them: by another id, with a title, and with data that are all texts.

-- An id as it stands in a cdk_id: lower case, a dot for each run of what is no letter, digit or underscore, none at either end.
create function bus311_linked_id(id text) returns text language sql immutable strict parallel safe
return trim(both '.' from regexp_replace(lower(id), '[^a-z0-9_]+', '.', 'g'));
create index places_linked on places (tenant_id, bus311_linked_id(id));

-- In the first of the languages that there is, else in any.
create function bus311_linked_text(given jsonb, languages text[]) returns text language sql immutable parallel safe
return coalesce(
    (select given ->> l from unnest(languages) with ordinality as wanted (l, n) where given ? l order by n limit 1),
    (select value from jsonb_each_text(given) order by key limit 1));

create function bus311_linked_data(
    kind text, document jsonb, free integer, counted_at timestamptz, languages text[]) returns jsonb language sql stable parallel safe
return jsonb_strip_nulls(case kind
    when 'parking' then jsonb_build_object(
        'poi', document ->> 'id', 'capacity', document ->> 'capacity', 'free', free::text,
        -- Of a fresh count only.
        'occupation', case
            when counted_at + make_interval(mins => coalesce((document ->> 'stale_after_minutes')::integer, 15)) >= now()
                 and (document ->> 'capacity')::integer > 0
            then round(greatest(0, (document ->> 'capacity')::integer - free) * 100.0 / (document ->> 'capacity')::integer)::integer::text end,
        'occupation_at', to_char(counted_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'price', bus311_linked_text(document -> 'price', languages))
    else jsonb_build_object(
        'poi', document ->> 'id', 'category', document ->> 'category',
        'lang', (select l from unnest(languages) with ordinality as wanted (l, n) where document -> 'name' ? l order by n limit 1),
        'address', document ->> 'address', 'phone', document ->> 'phone', 'url', document ->> 'url')
    end);
