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
    /// Server settings of every session, by name (`synchronous_commit`: `off`). Texts of ours, never data.
    public var sessionSettings: [String: String] = [:]

    public init(
        connectionString: String, applicationName: String, connectTimeout: Duration = .seconds(5),
        statementTimeout: Duration = .seconds(15)
    ) {
        self.connectionString = connectionString
        self.applicationName = applicationName
        self.connectTimeout = connectTimeout
        self.statementTimeout = statementTimeout
    }

    /// The same with one more server setting.
    public func setting(_ name: String, to value: String) -> PostgresConfiguration {
        var copy = self
        copy.sessionSettings[name] = value
        return copy
    }

    public var description: String { "database of \(applicationName)" }
}
