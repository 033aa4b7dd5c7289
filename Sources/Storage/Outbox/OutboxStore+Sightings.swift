import Open311
import Postgres

/// An event that waits, without what is in it.
public struct OutboxSighting: Sendable {
    public let seq: Int64
    public let tenant: TenantID
    /// Nothing of the same request can wait before it.
    public let isFirst: Bool

    public init(seq: Int64, tenant: TenantID, isFirst: Bool) {
        self.seq = seq
        self.tenant = tenant
        self.isFirst = isFirst
    }
}

extension OutboxStore {
    /// Whose events wait above `seq`, lowest first: cheap, for finding a tenant behind another one's backlog.
    public func ahead(of shard: Int16, after seq: Int64, limit: Int) async throws(StorageError) -> [OutboxSighting] {
        try await storing { () async throws(PostgresError) in
            try await lookout.run { (session) throws(PostgresError) in
                try session.execute(OutboxSQL.ahead, [.int16(shard), .int64(seq), .int32(Int32(limit))]).map {
                    (row) throws(PostgresError) in
                    OutboxSighting(seq: try row.int64(0), tenant: TenantID(try row.int32(1)), isFirst: try row.int32(2) < 2)
                }
            }
        }
    }

    /// Those of some events that still wait, and that nothing of their request can wait before.
    public func pending(_ seqs: [Int64], of shard: Int16) async throws(StorageError) -> [OutboxEntry] {
        guard let first = seqs.min(), let last = seqs.max() else { return [] }
        return try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                try OutboxEntry.all(
                    in: try session.execute(OutboxSQL.chosen, [.int16(shard), .int64s(seqs), .int64(first), .int64(last)]))
            }
        }
    }
}
