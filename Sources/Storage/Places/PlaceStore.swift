import Foundation
import Open311
import Postgres

/// Reads the places of one tenant at a time, for citizens.
public final class PlaceStore: Sendable {
    private let pool: PostgresPool
    /// Apart from the searches, so that no POST that names an object waits for them.
    private let lookUps: PostgresPool

    /// More cells than this are found by going through the tenant's places.
    static let maximumCells = 1_024

    /// - Parameters:
    ///   - configuration: of the role that sees one tenant at a time.
    ///   - connections: for searches; one more is for what is asked by its id.
    public init(configuration: PostgresConfiguration, connections: Int = 1) throws {
        pool = try PostgresPool(configuration: configuration, size: connections)
        lookUps = try PostgresPool(configuration: configuration, size: 1)
    }

    public func close() async {
        await pool.close()
        await lookUps.close()
    }

    /// The place of that id, retired or not.
    public func find(_ id: PlaceID, of tenant: TenantID) async throws(StorageError) -> KnownPlace? {
        let own = tenant.production
        return try await run(on: lookUps) { (session) throws(PostgresError) in
            let answers = try session.pipeline([
                RequestSQL.tenant(own), (PlaceSQL.find, [.int32(own.rawValue), .texts([id.rawValue])]),
            ])
            return try answers[1].first.map { (row) throws(PostgresError) in try PlaceRow.place(row) }
        }
    }

    /// One page of the places that match: nearest first where the search has an origin, else by id.
    public func search(_ filter: PlaceFilter, of tenant: TenantID) async throws(StorageError) -> PlacePage {
        guard !filter.kinds.isEmpty, filter.categories?.isEmpty != true, filter.ids?.isEmpty != true, filter.limit > 0 else {
            return PlacePage(places: [], count: 0)
        }
        let own = tenant.production
        return try await run { (session) throws(PostgresError) in
            let answers = try session.pipeline([
                RequestSQL.tenant(own, plansForParameters: true), (PlaceSQL.search, Self.parameters(filter, own)),
            ])
            let rows = answers[1]
            var places: [KnownPlace] = []
            places.reserveCapacity(rows.count)
            for index in 0..<rows.count {
                var place = try PlaceRow.place(rows[index])
                place.metres = rows[index].optionalDouble(8)
                places.append(place)
            }
            if filter.origin != nil {
                // The order on the plane is right to a thousandth.
                places.sort { ($0.metres ?? 0, $0.place.id) < ($1.metres ?? 0, $1.place.id) }
            }
            // Beyond the end nothing says how many there are before.
            let count = try rows.first.map { (row) throws(PostgresError) in Int(try row.int64(9)) } ?? (filter.offset == 0 ? 0 : nil)
            return PlacePage(places: places, count: count)
        }
    }

    /// The tenant's categories, and the ids that its places name.
    public func categories(of tenant: TenantID) async throws(StorageError) -> (tree: PlaceCategoryTree, used: Set<String>) {
        let own = tenant.production
        return try await run { (session) throws(PostgresError) in
            let answers = try session.pipeline([RequestSQL.tenant(own), (PlaceSQL.categories, [.int32(own.rawValue)])])
            guard let row = answers[1].first else { return (PlaceCategoryTree([]), []) }
            let document = row.isNull(0) ? [] : try row.json(0)
            let own = (try? JSONReader.value(document)).flatMap { try? PlaceCategoryReader(language: .french).categories($0) } ?? []
            return (PlaceCategoryTree(own), Set(try row.texts(1)))
        }
    }

    func run<Value: Sendable>(
        on chosen: PostgresPool? = nil, _ body: @Sendable (Session) throws(PostgresError) -> Value
    ) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await (chosen ?? pool).run(body) }
    }

    private static func parameters(_ filter: PlaceFilter, _ tenant: TenantID) -> [Parameter] {
        let cells = filter.box?.cells(maximum: maximumCells)
        let ground = filter.ground.flatMap { PlaceOutline($0).box }
        return [
            .int32(tenant.rawValue), .bool(filter.includesRetired),
            filter.kinds.count == PlaceKind.allCases.count ? .null : .texts(filter.kinds.map(\.rawValue)),
            filter.ids.map { .texts($0.map(\.rawValue)) } ?? .null, filter.categories.map { .texts($0) } ?? .null,
            filter.tags.isEmpty ? .null : .texts(filter.tags),
            filter.words.isEmpty ? .null : .texts(filter.words.map(SearchStatement.pattern)),
            cells.map { .int32s($0) } ?? .null, .text(filter.ground.map(polygon)), .double(filter.origin?.latitude),
            .double(filter.origin?.longitude), .double(filter.circle?.radius), .double(filter.circle?.centre.latitude),
            .double(filter.circle?.centre.longitude), .text(filter.parent?.rawValue), .text(filter.code),
            .int32(Int32(filter.limit)), .int32(Int32(filter.offset)), .double(ground?.south), .double(ground?.north),
            .double(ground?.west), .double(ground?.east),
        ]
    }

    /// As PostgreSQL reads one: (long, lat).
    static func polygon(_ corners: [Coordinate]) -> String {
        "(" + corners.map { "(\(DecimalForm.text($0.longitude)),\(DecimalForm.text($0.latitude)))" }.joined(separator: ",") + ")"
    }
}

/// One page of places.
public struct PlacePage: Sendable {
    public let places: [KnownPlace]
    /// How many match on all pages; nil for a page beyond the end.
    public let count: Int?
}

enum PlaceRow {
    /// From a row that begins with the columns of ``PlaceSQL``.
    static func place(_ row: Row) throws(PostgresError) -> KnownPlace {
        guard let kind = PlaceKind(rawValue: try row.text(0)), let place = PlaceDocument.place(try row.json(1), kind: kind) else {
            throw PostgresError(.decoding, detail: "a stored place breaks its rule")
        }
        var count: LiveCount?
        if !row.isNull(5) {
            count = LiveCount(
                free: Int(try row.int32(5)), countedAt: Timestamp(microseconds: try row.timestamp(6)),
                receivedAt: Timestamp(microseconds: try row.timestamp(7)))
        }
        return KnownPlace(
            kind: kind, place: place, createdAt: Timestamp(microseconds: try row.timestamp(2)),
            updatedAt: Timestamp(microseconds: try row.timestamp(3)),
            retiredAt: row.optionalTimestamp(4).map { Timestamp(microseconds: $0) }, count: count)
    }
}
