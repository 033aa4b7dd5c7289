import Postgres

/// Why the store could not do what was asked.
public struct StorageError: Error, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// The database cannot be reached or does not answer: try again soon.
        case unavailable
        /// Too much waits already: try again soon.
        case overloaded
        /// The client's reference was used before with another content.
        case conflict
        /// The request would not fit into an event.
        case tooLarge
        /// A name that must be unique is taken.
        case duplicate
        /// A fault of ours.
        case internalFault
    }

    public let kind: Kind
    /// For operators; never data, never a secret.
    public let detail: String

    public init(_ kind: Kind, detail: String = "") {
        self.kind = kind
        self.detail = detail
    }

    init(_ error: PostgresError) {
        let kind: Kind =
            switch error.kind {
            case .overloaded: .overloaded
            case .refused where error.sqlState == "23505": .duplicate
            default: error.isRetriable || error.kind == .closed ? .unavailable : .internalFault
            }
        self.init(kind, detail: error.description)
    }

    public var isRetriable: Bool { kind == .unavailable || kind == .overloaded }
    public var description: String { detail.isEmpty ? "storage: \(kind)" : "storage: \(kind) (\(detail))" }
}

/// Runs `work` and turns the client's errors into the store's.
func storing<Value>(_ work: () async throws(PostgresError) -> Value) async throws(StorageError) -> Value {
    do {
        return try await work()
    } catch {
        throw StorageError(error)
    }
}
