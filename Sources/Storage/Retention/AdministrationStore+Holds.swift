import Open311
import Postgres

/// Legal holds: nothing of the request goes while one stands.
extension AdministrationStore {
    public func hold(_ request: ServiceRequestID, because reason: String, by who: String) async throws(StorageError) -> HoldOutcome {
        try await run { (session) throws(PostgresError) in
            let word = try session.execute(RetentionSQL.hold, [.int64(request.rawValue), .text(reason), .text(who)]).first?.text(0)
            return word.flatMap { HoldOutcome(rawValue: $0) } ?? .unknown
        }
    }

    /// - Returns: false when none stood.
    public func release(_ request: ServiceRequestID, by who: String) async throws(StorageError) -> Bool {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.release, [.int64(request.rawValue), .text(who)]).first?.bool(0) ?? false
        }
    }

    /// Oldest first.
    ///
    /// - Parameter released: those too that stand no more.
    public func holds(includingReleased released: Bool) async throws(StorageError) -> [RequestHold] {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.holds, [.bool(released)]).map { (row) throws(PostgresError) in
                RequestHold(
                    request: ServiceRequestID(stored: try row.int64(0)), tenant: TenantID(try row.int32(1)), reason: try row.text(2),
                    placedAt: Timestamp(microseconds: try row.timestamp(3)), placedBy: try row.text(4),
                    releasedAt: row.optionalTimestamp(5).map { Timestamp(microseconds: $0) }, releasedBy: row.optionalText(6))
            }
        }
    }
}
