import Open311
import Postgres

/// What became of one live count.
public enum LiveCountOutcome: Sendable, Equatable {
    case stored
    /// A later count was there already.
    case superseded
    /// The tenant has no such parking now.
    case unknown
    case beyondCapacity(Int)
}

/// What is known of one parking.
public struct KnownCount: Sendable, Equatable {
    public let id: String
    public let count: LiveCount
    /// In minutes.
    public let staleAfter: Int
}

/// Takes live counts: many, small, and soon overtaken by the next.
public final class LiveCountStore: Sendable {
    private let pool: PostgresPool

    /// - Parameter configuration: of the role that may change one tenant's counts at a time.
    public init(configuration: PostgresConfiguration) throws {
        // The next count is a minute away: none is worth a wait for the disk.
        pool = try PostgresPool(configuration: configuration.setting("synchronous_commit", to: "off"), size: 1)
    }

    public func close() async { await pool.close() }

    /// - Parameter counts: each parking once.
    /// - Returns: one outcome for each, in order.
    public func record(_ counts: [GivenCount], of tenant: TenantID) async throws(StorageError) -> [LiveCountOutcome] {
        let own = tenant.production
        return try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                let ids = counts.map(\.id.rawValue)
                let found = try session.pipeline([RequestSQL.tenant(own), (PlaceSQL.known, [.int32(own.rawValue), .texts(ids)])])[1]
                var capacities: [String: Int?] = [:]
                for index in 0..<found.count {
                    capacities[try found[index].text(0)] = .some(found[index].isNull(1) ? nil : Int(try found[index].int32(1)))
                }
                let fitting = counts.filter { count in
                    guard let capacity = capacities[count.id.rawValue] else { return false }
                    return count.free <= capacity ?? .max
                }
                var stored: Set<String> = []
                if !fitting.isEmpty {
                    let rows = try session.pipeline([
                        RequestSQL.tenant(own),
                        (
                            PlaceSQL.count,
                            [
                                .int32(own.rawValue), .texts(fitting.map(\.id.rawValue)), .int32s(fitting.map { Int32(clamping: $0.free) }),
                                .timestamps(fitting.map { $0.countedAt.microseconds }),
                            ]
                        ),
                    ])[1]
                    for index in 0..<rows.count { stored.insert(try rows[index].text(0)) }
                }
                return counts.map { count in
                    guard let capacity = capacities[count.id.rawValue] else { return .unknown }
                    if let capacity, count.free > capacity { return .beyondCapacity(capacity) }
                    return stored.contains(count.id.rawValue) ? .stored : .superseded
                }
            }
        }
    }

    /// What is known of each parking of the tenant that was ever counted, by id.
    public func current(of tenant: TenantID) async throws(StorageError) -> [KnownCount] {
        let own = tenant.production
        return try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                let rows = try session.pipeline([RequestSQL.tenant(own), (PlaceSQL.counts, [.int32(own.rawValue)])])[1]
                return try rows.map { (row) throws(PostgresError) in
                    let place = PlaceDocument.place(try row.json(4), kind: .parking)
                    return KnownCount(
                        id: try row.text(0),
                        count: LiveCount(
                            free: Int(try row.int32(1)), countedAt: Timestamp(microseconds: try row.timestamp(2)),
                            receivedAt: Timestamp(microseconds: try row.timestamp(3))),
                        staleAfter: place?.staleAfter ?? Place.usualStaleAfter)
                }
            }
        }
    }
}
