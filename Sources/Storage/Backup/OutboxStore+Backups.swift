import Open311
import Postgres

extension OutboxStore {
    /// When the last backup ended, nil before the first; and how many bytes of its log PostgreSQL keeps for whoever lags most behind, an
    /// archive or a standby.
    public func backups() async throws(StorageError) -> (last: Timestamp?, waitingBytes: Int64) {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                let row = try session.execute(BackupSQL.state).first
                return (row?.optionalTimestamp(0).map { Timestamp(microseconds: $0) }, try row?.int64(1) ?? 0)
            }
        }
    }
}
