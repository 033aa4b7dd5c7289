import Open311
import Postgres

/// The searches that ask more than ``RequestSQL/list``: one statement for each order and kind of window, every other filter
/// optional. They are planned for their parameters, so that an absent filter costs nothing and a narrow one finds its index.
enum SearchSQL {
    struct Shape: Hashable {
        let order: ServiceRequestOrder
        /// Whether `updated_datetime` is bounded: then the index of changed requests, or that of new ones, leads.
        let isByUpdate: Bool
    }

    static let all = Array(pages.values) + [count(isByUpdate: false), count(isByUpdate: true)]

    /// A count goes no further, so that it stays cheap.
    static let countedAtMost = 10_000

    /// Every shape has its statement.
    static let pages: [Shape: Statement] = {
        var made: [Shape: Statement] = [:]
        for field in ServiceRequestOrder.Field.allCases {
            for isDescending in [true, false] {
                for isByUpdate in [true, false] {
                    let shape = Shape(order: ServiceRequestOrder(field, isDescending: isDescending), isByUpdate: isByUpdate)
                    made[shape] = page(shape)
                }
            }
        }
        return made
    }()

    private static func name(_ shape: Shape) -> String {
        "\(shape.order.field)\(shape.order.isDescending ? "_down" : "_up")\(shape.isByUpdate ? "_changed" : "")"
    }

    private static let filters = """
        tenant_id = $1::integer and id >= $22::bigint and listed and requested_at >= $2::timestamptz and requested_at <= $3::timestamptz
          and ($4::text[] is null or service_code = any($4)) and ($5::boolean is null or open = $5)
          and ($6::text[] is null or string_to_array(status, ',') && $6)
          and ($7::text[] is null or lower(agency_responsible) in (select lower(agency) from unnest($7) as agency))
          and ($8::text is null or description ilike $8 or title ilike $8 or address ilike $8 or agency_responsible ilike $8)
          and ($9::text is null or service_object_type = $9) and ($10::text is null or service_object_id = $10)
          and ($23::text is null or service_object_type ilike $23)
          and ($11::integer[] is null or cell = any($11))
          and ($12::double precision is null
               or lat between $12 and $13::double precision and long between $14::double precision and $15::double precision)
          and ($16::double precision is null
               or lat is not null and bus311_within($16, $17::double precision, $18::double precision, lat, long))
          and ($19::boolean is null or bus311_has_media(media_urls) = $19)
        """

    private static func matching(isByUpdate: Bool, _ columns: String, _ more: String, limit: String) -> String {
        let rest = filters + more
        guard isByUpdate else { return "select \(columns) from service_requests where \(rest) \(limit)" }
        // Each half has an index of its own; what never changed was updated when it was made.
        return """
            (select \(columns) from service_requests
             where updated_at > requested_at and updated_at >= $20::timestamptz and updated_at <= $21::timestamptz and \(rest) \(limit))
            union all
            (select \(columns) from service_requests
             where updated_at = requested_at and requested_at >= $20 and requested_at <= $21 and \(rest) \(limit))
            """
    }

    private static func page(_ shape: Shape) -> Statement {
        let direction = shape.order.isDescending ? "desc" : "asc"
        let comparison = shape.order.isDescending ? "<" : ">"
        let key: String
        switch shape.order.field {
        case .requested: key = "requested_at"
        case .updated: key = "updated_at"
        case .id: key = "id"
        case .status: key = "status"
        case .distance: key = "bus311_distance($16, $17, lat, long)"
        }
        let hasNulls = shape.order.field == .distance
        let order =
            key == "id" ? "order by id \(direction)" : "order by \(key) \(direction)\(hasNulls ? " nulls last" : ""), id \(direction)"
        let after: String
        switch shape.order.field {
        case .requested, .updated: after = "\n  and ($24::bigint is null or (\(key), id) \(comparison) ($25::timestamptz, $24))"
        case .id: after = "\n  and ($24::bigint is null or id \(comparison) $24) and ($25::timestamptz is null or true)"
        case .status, .distance: after = "\n  and ($24::bigint is null or true) and ($25::timestamptz is null or true)"
        }
        let found = matching(
            isByUpdate: shape.isByUpdate, RequestSQL.columns, after + unused(isByUpdate: shape.isByUpdate),
            limit: "\(order) limit $26::integer + $27::integer")
        return Statement(
            "search_\(name(shape))", "select \(RequestSQL.columns) from (\(found)) as found \(order) limit $26 offset $27")
    }

    static func count(isByUpdate: Bool) -> Statement {
        let found = matching(isByUpdate: isByUpdate, "1", unused(isByUpdate: isByUpdate), limit: "limit \(countedAtMost + 1)")
        return Statement(
            isByUpdate ? "count_changed" : "count_requested",
            "select count(*) from (select 1 from (\(found)) as found limit \(countedAtMost + 1)) as counted")
    }

    /// Every statement takes the same parameters; those that it has no use for must still have a type.
    private static func unused(isByUpdate: Bool) -> String {
        isByUpdate ? "" : "\n  and ($20::timestamptz is null or true) and ($21::timestamptz is null or true)"
    }
}
