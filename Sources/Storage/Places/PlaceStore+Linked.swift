import Foundation
import Open311
import Postgres

extension PlaceStore {
    /// One page of the places that match: nearest first where the search has an origin, by title where it asks for one, else by id.
    ///
    /// - Returns: with how many match on all pages; nil for a page beyond the end.
    public func linked(
        _ filter: LinkedPlaceFilter, of tenant: Tenant
    ) async throws(StorageError) -> (places: [LinkedPlace], count: Int?) {
        guard !filter.kinds.isEmpty, filter.limit > 0 else { return ([], 0) }
        let own = tenant.id.production
        let parameters = Self.parameters(filter, own, tenant.languages)
        return try await run { (session) throws(PostgresError) in
            let answers = try session.pipeline([
                RequestSQL.tenant(own, plansForParameters: true), (LinkedPlaceSQL.search, parameters),
            ])
            let rows = answers[1]
            var places: [LinkedPlace] = []
            places.reserveCapacity(rows.count)
            for index in 0..<rows.count {
                let row = rows[index]
                let known = try PlaceRow.place(row)
                guard let data = try? JSONDecoder().decode([String: String].self, from: Data(try row.json(9))) else {
                    throw PostgresError(.decoding, detail: "a place's linked data are no texts")
                }
                places.append(
                    LinkedPlace(known: known, title: row.optionalText(8) ?? "", data: data.sorted { $0.key < $1.key }))
            }
            let count = try rows.first.map { (row) throws(PostgresError) in Int(try row.int64(10)) } ?? (filter.offset == 0 ? 0 : nil)
            return (places, count)
        }
    }

    /// A hand's breadth wide: a point on the edge of a cell belongs to both.
    private static func around(_ point: Coordinate) -> BoundingBox {
        BoundingBox(
            south: point.latitude - 1e-6, west: point.longitude - 1e-6, north: point.latitude + 1e-6, east: point.longitude + 1e-6)
    }

    private static func parameters(_ filter: LinkedPlaceFilter, _ tenant: TenantID, _ languages: [Language]) -> [Parameter] {
        let ground = filter.touching.flatMap { $0.outline.isEmpty ? nil : $0.outline }
        let point = filter.touching.flatMap { $0.outline.isEmpty ? $0.position : nil }
        let reach = filter.circle?.box ?? ground.flatMap { PlaceOutline($0).box } ?? filter.box ?? point.map(around)
        let cells = reach?.cells(maximum: maximumCells)
        return [
            .int32(tenant.rawValue), .texts(filter.kinds.map(\.rawValue)), .text(filter.linkedID),
            .text(filter.title.map(SearchStatement.pattern)), .texts(filter.fields.map(\.name)), .texts(filter.fields.map(\.value)),
            filter.box.map { .text(polygon($0.corners)) } ?? .null, .double(filter.circle?.radius),
            .double(filter.circle?.centre.latitude), .double(filter.circle?.centre.longitude), cells.map { .int32s($0) } ?? .null,
            .double(filter.origin?.latitude), .double(filter.origin?.longitude), .text(ground.map(polygon)), .double(point?.latitude),
            .double(point?.longitude), .text(filter.excluded?.rawValue), .texts(languages.map(\.rawValue)), .text(filter.title),
            .int32(Int32(filter.limit)), .int32(Int32(filter.offset)),
        ]
    }
}

enum LinkedPlaceSQL {
    static let all = [search]

    /// Planned for its parameters. Title and data are made for a page only, unless the search asks about them.
    static let search = Statement(
        "places_linked",
        """
        with chosen as (
            select p.id, count(*) over () as total,
                   row_number() over (
                       order by case when $12::double precision is null then null
                                     when p.outline is null then sqrt(power((p.lat - $12) * p.metres_lat, 2) + power((p.long - $13::double precision) * p.metres_long, 2))
                                     else p.outline_metres <-> point($13 * p.metres_long, $12 * p.metres_lat) end,
                                case when $19::text is null then null
                                     else strpos(bus311_folded(bus311_linked_text(p.document -> 'name', $18::text[])), bus311_folded($19)) end,
                                p.id) as place
            from places p left join place_counts c on c.tenant_id = p.tenant_id and c.place_id = p.id
            where p.tenant_id = $1::integer and p.retired_at is null and p.kind = any($2::text[])
              and ($3::text is null or bus311_linked_id(p.id) = $3)
              and ($4::text is null or bus311_folded(bus311_linked_text(p.document -> 'name', $18)) like bus311_folded($4))
              and (cardinality($5::text[]) = 0
                   or not exists (
                       select from unnest($5, $6::text[]) as asked (name, value)
                       where coalesce(bus311_linked_data(p.kind, p.document, c.free, c.counted_at, $18) ->> asked.name <> asked.value,
                                      not bus311_linked_data(p.kind, p.document, c.free, c.counted_at, $18) ? asked.name)))
              and ($7::text is null
                   or coalesce($7::polygon @> p.outline, $7::polygon @> point(p.long, p.lat)))
              and ($11::integer[] is null
                   or p.id in (select k.place_id from place_cells k where k.tenant_id = $1 and k.cell = any($11)))
              and ($8::double precision is null
                   or case when p.outline is null then bus311_within($9::double precision, $10::double precision, $8, p.lat, p.long)
                      else bus311_place_distance($9, $10, p.lat, p.long, p.metres_lat, p.metres_long, p.outline_metres) <= $8 end)
              and ($14::text is null or coalesce(p.outline && $14::polygon, $14::polygon @> point(p.long, p.lat)))
              and ($15::double precision is null
                   or coalesce(p.outline @> point($16::double precision, $15), p.lat = $15 and p.long = $16))
              and ($17::text is null or p.id <> $17)
            order by place limit $20::integer offset $21::integer
        )
        select p.kind, p.document, p.created_at, p.updated_at, p.retired_at, c.free, c.counted_at, c.received_at,
               bus311_linked_text(p.document -> 'name', $18), bus311_linked_data(p.kind, p.document, c.free, c.counted_at, $18), chosen.total
        from chosen join places p on p.tenant_id = $1 and p.id = chosen.id
        left join place_counts c on c.tenant_id = p.tenant_id and c.place_id = p.id
        order by chosen.place
        """)
}
