/// Something PostgreSQL, or the way to it, refused.
///
/// The description is safe for logs: it carries the SQLSTATE and the statement's name, never the server's text, which may
/// quote data. ``detail`` has that text, for tests and for a person at a terminal.
public struct PostgresError: Error, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// The server cannot be reached, or refuses connections.
        case cannotConnect
        /// The connection broke while a statement ran; whether it took effect is unknown.
        case connectionLost
        /// A deadline passed; the connection was given up and whether the statement took effect is unknown.
        case timeout
        /// The server refused the statement.
        case refused
        /// Too much waits for this pool already.
        case overloaded
        /// A value did not have the type that the reader expected: a fault of ours.
        case decoding
        /// The connection was closed by us.
        case closed
    }

    public let kind: Kind
    /// Five characters, as PostgreSQL's manual lists them; nil when the server said nothing.
    public let sqlState: String?
    /// The name of the statement that was under way.
    public let statement: String?
    /// The server's or the library's own words.
    public let detail: String

    public init(_ kind: Kind, sqlState: String? = nil, statement: String? = nil, detail: String = "") {
        self.kind = kind
        self.sqlState = sqlState
        self.statement = statement
        self.detail = detail
    }

    public var description: String {
        let what =
            switch kind {
            case .cannotConnect: "PostgreSQL cannot be reached"
            case .connectionLost: "the connection to PostgreSQL was lost"
            case .timeout: "PostgreSQL did not answer in time"
            case .refused: "PostgreSQL refused the statement"
            case .overloaded: "too many statements wait for PostgreSQL"
            case .decoding: "a value from PostgreSQL has an unexpected type"
            case .closed: "the connection to PostgreSQL is closed"
            }
        return [what, statement.map { "statement \($0)" }, sqlState.map { "SQLSTATE \($0)" }].compactMap { $0 }.joined(separator: ", ")
    }

    /// Whether the same work may succeed later without anybody changing anything: connection trouble, shutdown, deadlock,
    /// serialization, resources.
    public var isRetriable: Bool {
        switch kind {
        case .cannotConnect, .connectionLost, .timeout, .overloaded: true
        case .decoding, .closed: false
        case .refused:
            sqlState.map { state in ["08", "40", "53", "57", "55", "58"].contains { state.hasPrefix($0) } || state == "25006" } ?? false
        }
    }

    /// Whether the connection cannot be used any more.
    var endsConnection: Bool {
        switch kind {
        case .cannotConnect, .connectionLost, .timeout, .closed: true
        // Shutdown and crash of the server arrive as errors first; a read-only server is the former primary.
        case .refused: sqlState.map { $0.hasPrefix("57P") || $0.hasPrefix("08") || $0 == "25006" } ?? false
        case .overloaded, .decoding: false
        }
    }
}
