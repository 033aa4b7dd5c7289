import Open311
import Postgres

/// Backups that were made, and returns from them.
public final class BackupStore: Sendable {
    /// A database that came back.
    public struct Restored: Sendable, Equatable {
        /// How often events are counted anew now; 1 where there is no tenant.
        public let epoch: Int32
        /// What the next request's number ends with, at least: above all that were given out in the lost time.
        public let firstNumber: Int64
        /// Of the last transaction that came back; nil when the backup alone was restored.
        public let lastCommit: Timestamp?
    }

    public struct Restore: Sendable, Equatable {
        public let at: Timestamp
        public let backup: String
        public let lastCommit: Timestamp?
    }

    private let connection: PostgresConnection

    /// - Parameter configuration: of the administration role; of a superuser for ``restored(from:)``.
    public init(configuration: PostgresConfiguration) throws { connection = try PostgresConnection(configuration: configuration) }

    public func close() async { await connection.close() }

    private func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await connection.run(body) }
    }

    /// - Parameter walEnd: as PostgreSQL writes positions, `0/3000060`.
    public func record(_ name: String, from start: Timestamp, to end: Timestamp, bytes: Int64, walEnd: String) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(
                BackupSQL.record,
                [.text(name), .timestamp(start.microseconds), .timestamp(end.microseconds), .int64(bytes), .text(walEnd)])
        }
    }

    /// When the last backup ended.
    public func last() async throws(StorageError) -> Timestamp? {
        try await run { (session) throws(PostgresError) in
            try session.execute(BackupSQL.last).first.map { (row) throws(PostgresError) in
                Timestamp(microseconds: try row.timestamp(0))
            }
        }
    }

    /// What a database that came back must do before anybody writes to it: see `migrations/0085_backups.sql`.
    public func restored(from backup: String) async throws(StorageError) -> Restored {
        try await run { (session) throws(PostgresError) in
            // Whom the lost server waited for is not there yet: nobody would be answered, the services' migration neither.
            try session.script(BackupSQL.waitForNobody)
            guard let row = try session.execute(BackupSQL.restored, [.text(backup)]).first else {
                throw PostgresError(.decoding, detail: "bus311_restored answered nothing")
            }
            return Restored(
                epoch: try row.int32(0), firstNumber: try row.int64(1),
                lastCommit: row.optionalTimestamp(2).map { Timestamp(microseconds: $0) })
        }
    }

    /// The last return from a backup; nil in a database that never came from one.
    public func lastRestore() async throws(StorageError) -> Restore? {
        try await run { (session) throws(PostgresError) in
            try session.execute(BackupSQL.lastRestore).first.map { (row) throws(PostgresError) in
                Restore(
                    at: Timestamp(microseconds: try row.timestamp(0)), backup: try row.text(1),
                    lastCommit: row.optionalTimestamp(2).map { Timestamp(microseconds: $0) })
            }
        }
    }

    /// Which of these numbers are of no request here, erased ones not counted: requests that were lost, or never ours.
    public func unknown(_ requests: [ServiceRequestID]) async throws(StorageError) -> [ServiceRequestID] {
        try await run { (session) throws(PostgresError) in
            try session.execute(BackupSQL.unknown, [.int64s(requests.map(\.rawValue))]).map { (row) throws(PostgresError) in
                ServiceRequestID(stored: try row.int64(0))
            }
        }
    }

    /// Events that wait for the broker.
    public func pending() async throws(StorageError) -> Int64 {
        try await run { (session) throws(PostgresError) in try session.execute(BackupSQL.pending).first?.int64(0) ?? 0 }
    }

    /// The name of the cluster's first superuser: the one that can do everything, whatever it is called.
    public func superuser() async throws(StorageError) -> String {
        try await run { (session) throws(PostgresError) in
            try session.execute(BackupSQL.superuser).first.map { (row) throws(PostgresError) in try row.text(0) } ?? "postgres"
        }
    }
}
