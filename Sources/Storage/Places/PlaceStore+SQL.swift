import Postgres

enum PlaceSQL {
    static let all = [search, find, categories, ofOthers, known, count, counts]

    private static let columns = """
        p.kind, p.document, p.created_at, p.updated_at, p.retired_at, c.free, c.counted_at, c.received_at
        """

    private static let joined = """
        places p left join place_counts c on c.tenant_id = p.tenant_id and c.place_id = p.id
        """

    /// Retired ones too.
    static let find = Statement(
        "places_find", "select \(columns) from \(joined) where p.tenant_id = $1::integer and p.id = any($2::text[])")

    /// Planned for its parameters. PostgreSQL's polygons are right to a millionth of a degree, so a box says its bounds too. Ordered by distance on the plane that touches the globe at each place: right to a thousandth, and
    /// a fiftieth of the cost of the exact one.
    static let search = Statement(
        "places_search",
        """
        select \(columns), case when $10::double precision is not null then
                   bus311_place_distance($10, $11::double precision, p.lat, p.long, p.metres_lat, p.metres_long, p.outline_metres) end,
               count(*) over ()
        from \(joined)
        where p.tenant_id = $1::integer and ($2::boolean or p.retired_at is null)
          and ($3::text[] is null or p.kind = any($3)) and ($4::text[] is null or p.id = any($4))
          and ($5::text[] is null or p.category = any($5)) and ($6::text[] is null or p.tags @> $6)
          and ($7::text[] is null or p.words like all (array(select bus311_folded(given) from unnest($7) as given)))
          and ($8::integer[] is null
               or p.id in (select k.place_id from place_cells k where k.tenant_id = $1 and k.cell = any($8)))
          and ($9::text is null or coalesce(p.outline && $9::polygon, $9::polygon @> point(p.long, p.lat)))
          and ($19::double precision is null or p.outline is not null
               or p.lat between $19 and $20::double precision and p.long between $21::double precision and $22::double precision)
          and ($12::double precision is null
               or case when p.outline is null then bus311_within($13::double precision, $14::double precision, $12, p.lat, p.long)
                  else bus311_place_distance($13, $14, p.lat, p.long, p.metres_lat, p.metres_long, p.outline_metres) <= $12 end)
          and ($15::text is null or p.parent = $15) and ($16::text is null or $16 = any(p.codes))
        order by case when $10 is null then null
                      when p.outline is null then sqrt(power((p.lat - $10) * p.metres_lat, 2) + power((p.long - $11) * p.metres_long, 2))
                      else p.outline_metres <-> point($11 * p.metres_long, $10 * p.metres_lat) end,
                 p.id
        limit $17::integer offset $18::integer
        """)

    static let categories = Statement(
        "places_categories",
        """
        select (select document from place_categories where tenant_id = $1::integer) as document,
               array(select distinct unnest(categories) from place_collections where tenant_id = $1) as used
        """)

    /// Which of these ids places of other kinds have.
    static let ofOthers = Statement(
        "places_of_others",
        """
        select id, kind from places
        where tenant_id = $1::integer and id = any($2::text[]) and kind <> $3::text and retired_at is null order by id
        """)

    // MARK: Live counts

    /// Which of these parkings there are, and how large.
    static let known = Statement(
        "places_known_parkings",
        """
        select id, capacity from places
        where tenant_id = $1::integer and id = any($2::text[]) and kind = 'parking' and retired_at is null
        """)

    /// An older count never replaces a newer one.
    static let count = Statement(
        "places_count",
        """
        insert into place_counts as c (tenant_id, place_id, free, counted_at, received_at)
        select $1::integer, id, free, counted_at, now()
        from unnest($2::text[], $3::integer[], $4::timestamptz[]) as given (id, free, counted_at) order by id
        on conflict (tenant_id, place_id) do update
        set free = excluded.free, counted_at = excluded.counted_at, received_at = excluded.received_at
        where c.counted_at < excluded.counted_at or c.counted_at = excluded.counted_at and c.free = excluded.free
        returning place_id
        """)

    static let counts = Statement(
        "places_counts",
        """
        select c.place_id, c.free, c.counted_at, c.received_at, p.document
        from place_counts c join places p on p.tenant_id = c.tenant_id and p.id = c.place_id
        where c.tenant_id = $1::integer and p.retired_at is null order by c.place_id
        """)
}
