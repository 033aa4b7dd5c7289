import Open311
import Postgres

/// An event that the broker refused for good: a person decides.
public struct ParkedEvent: Sendable {
    public let seq: Int64
    public let id: EventID
    public let tenant: String
    public let request: ServiceRequestID?
    public let type: String
    public let attempts: Int32
    /// A short code of ours.
    public let reason: String?
    public let createdAt: Timestamp
}

extension AdministrationStore {
    /// What waits for a person, oldest first; at most a thousand.
    public func parkedEvents() async throws(StorageError) -> [ParkedEvent] {
        try await run { (session) throws(PostgresError) in
            try session.execute(ReplaySQL.parked, [.int32(1_000)]).map { (row) throws(PostgresError) in
                let uuid = try row.uuid(1)
                return ParkedEvent(
                    seq: try row.int64(0), id: EventID(high: uuid.high, low: uuid.low), tenant: try row.text(2),
                    request: row.optionalInt64(3).map { ServiceRequestID(stored: $0) }, type: try row.text(4), attempts: try row.int32(5),
                    reason: row.optionalText(6), createdAt: Timestamp(microseconds: try row.timestamp(7)))
            }
        }
    }

    /// Lets a parked event try again, or gives it up; the later events of its request follow. The record tells who did it.
    ///
    /// - Parameter reason: why it is given up; nil lets it try again.
    /// - Returns: false when nothing is parked under this number.
    public func settleParked(_ seq: Int64, givingUp reason: String?, by who: String) async throws(StorageError) -> Bool {
        try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                let rows = try session.execute(ReplaySQL.settle, [.int64(seq), .bool(reason != nil), .text(reason)])
                guard let row = rows.first else { return false }
                let detail = "event \(seq)" + (reason.map { ": \($0)" } ?? "")
                _ = try session.pipeline([
                    (
                        ReplaySQL.act,
                        [
                            .text(who), .text(reason == nil ? "parked event released" : "parked event skipped"),
                            .int32(try row.int32(0)), .text(detail),
                        ]
                    ), (IngestSQL.notify, []),
                ])
                return true
            }
        }
    }
}
