import Postgres

/// Makes the monthly partitions ahead of time, and forgets what nobody asks for any more.
public struct PartitionKeeper: Sendable {
    private let connection: PostgresConnection

    /// - Parameter configuration: of the watch role.
    public init(configuration: PostgresConfiguration) throws { connection = try PostgresConnection(configuration: configuration) }

    /// - Returns: how many partitions were made.
    public func makeAhead() async throws(StorageError) -> Int {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                Int(try session.execute(AdministrationSQL.makePartitions).first?.int32(0) ?? 0)
            }
        }
    }

    /// Forgets the answers to status messages that are too old to come again.
    ///
    /// - Returns: how many.
    public func forgetInbox() async throws(StorageError) -> Int {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                Int(try session.execute(StatusInboxSQL.forget).first?.int32(0) ?? 0)
            }
        }
    }

    /// Answers our own id for the tokens whose tenants' time is over.
    ///
    /// - Returns: how many.
    public func resolveTokens() async throws(StorageError) -> Int {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                Int(try session.execute(TokenSQL.resolveLate).first?.int32(0) ?? 0)
            }
        }
    }

    public func close() async { await connection.close() }
}
