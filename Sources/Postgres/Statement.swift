/// A named SQL statement. It is prepared on each connection the first time it runs there; values are only ever bound.
public struct Statement: Sendable, Hashable {
    /// Unique in the process; appears in errors and in `pg_prepared_statements`.
    public let name: String
    public let sql: String

    public init(_ name: String, _ sql: String) {
        self.name = name
        self.sql = sql
    }
}
