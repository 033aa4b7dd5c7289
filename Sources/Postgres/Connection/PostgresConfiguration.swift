/// Where a database is and how long to wait for it.
public struct PostgresConfiguration: Sendable, CustomStringConvertible {
    /// A libpq connection string or URI; several hosts and `target_session_attrs` are libpq's own business. Holds a password:
    /// never logged.
    public var connectionString: String
    /// Shown in `pg_stat_activity`.
    public var applicationName: String
    /// For one connection attempt.
    public var connectTimeout: Duration
    /// For one statement or one pipeline; the server is told the same limit.
    public var statementTimeout: Duration

    public init(
        connectionString: String, applicationName: String, connectTimeout: Duration = .seconds(5),
        statementTimeout: Duration = .seconds(15)
    ) {
        self.connectionString = connectionString
        self.applicationName = applicationName
        self.connectTimeout = connectTimeout
        self.statementTimeout = statementTimeout
    }

    public var description: String { "database of \(applicationName)" }
}
