import Open311
import Postgres

/// Something that the watch noticed about a tenant's objects on the broker.
public struct QueueIncident: Sendable {
    public enum Kind: String, Sendable {
        /// Messages left the queue and nobody acknowledged, refused or got them.
        case purgeSuspected = "purge_suspected"
        /// The queue was gone, with what it held.
        case queueDeleted = "queue_deleted"
        /// Policies, exchanges or bindings are not what provisioning made.
        case configDrift = "config_drift"
    }

    public let number: Int64
    public let tenant: String
    public let kind: Kind
    /// Names of objects, never content.
    public let detail: String
    public let messages: Int64?
    /// The window whose replay brings back what was lost.
    public let replay: (from: Timestamp, to: Timestamp)?
    public let noticedAt: Timestamp
    public let settledAt: Timestamp?
    public let settledBy: String?
    public let settlement: String?

    /// What repairs it, to be typed as it stands.
    public var remedy: String {
        guard let replay else { return "bus311 tenant apply \(tenant)" }
        let again = "bus311 replay --tenant \(tenant) --from \(replay.from.iso8601) --to \(replay.to.iso8601)"
        return kind == .queueDeleted ? "bus311 tenant apply \(tenant), then \(again)" : again
    }
}

extension AdministrationStore {
    /// What is not settled, the newest first; at most a thousand.
    ///
    /// - Parameter all: the settled ones too.
    public func incidents(all: Bool = false) async throws(StorageError) -> [QueueIncident] {
        try await run { (session) throws(PostgresError) in
            try session.execute(QueueWatchSQL.open, [.bool(all)]).map { (row) throws(PostgresError) in
                guard let kind = QueueIncident.Kind(rawValue: try row.text(2)) else {
                    throw PostgresError(.decoding, detail: "a stored incident has an unknown kind")
                }
                let from = row.optionalTimestamp(5)
                let to = row.optionalTimestamp(6)
                var replay: (from: Timestamp, to: Timestamp)?
                if let from, let to { replay = (Timestamp(microseconds: from), Timestamp(microseconds: to)) }
                return QueueIncident(
                    number: try row.int64(0), tenant: try row.text(1), kind: kind, detail: try row.text(3), messages: row.optionalInt64(4),
                    replay: replay, noticedAt: Timestamp(microseconds: try row.timestamp(7)),
                    settledAt: row.optionalTimestamp(8).map { Timestamp(microseconds: $0) }, settledBy: row.optionalText(9),
                    settlement: row.optionalText(10))
            }
        }
    }

    /// A person says that nothing is left to do; the record keeps why.
    ///
    /// - Returns: false when no such incident is open.
    public func settleIncident(_ number: Int64, because reason: String, by who: String) async throws(StorageError) -> Bool {
        try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                let rows = try session.execute(QueueWatchSQL.settle, [.int64(number), .text(who), .text(reason)])
                guard let row = rows.first else { return false }
                _ = try session.execute(
                    ReplaySQL.act,
                    [.text(who), .text("incident settled"), .int32(try row.int32(0)), .text("incident \(number): \(reason)")])
                return true
            }
        }
    }

    /// Who consumed a tenant's request queue about each of these moments, and who was connected at all.
    public func consumers(
        of tenant: TenantID, at moments: Set<Timestamp>
    ) async throws(StorageError) -> [Timestamp: (consuming: [String], connected: [String])] {
        guard !moments.isEmpty else { return [:] }
        return try await run { (session) throws(PostgresError) in
            var found: [Timestamp: (consuming: [String], connected: [String])] = [:]
            for (moment, consuming, connected) in try session.execute(
                QueueWatchSQL.consumersAt, [.int32(tenant.rawValue), .timestamps(moments.map(\.microseconds))]
            ).map({ (row) throws(PostgresError) in (Timestamp(microseconds: try row.timestamp(0)), try row.texts(1), try row.texts(2)) }) {
                found[moment] = (consuming, connected)
            }
            return found
        }
    }
}

extension ReplayStore {
    /// A replay that is done settles the incidents of its window.
    ///
    /// - Returns: their numbers.
    public func settleIncidents(by job: Int64, who: String) async throws(StorageError) -> [Int64] {
        try await run { (session) throws(PostgresError) in
            try session.execute(QueueWatchSQL.settleByReplay, [.int64(job), .text(who)]).map { (row) throws(PostgresError) in
                try row.int64(0)
            }
        }
    }
}
