import Open311
import Postgres

/// What became of a lifecycle update.
public struct AppliedUpdate: Sendable, Equatable {
    public enum Outcome: String, Sendable {
        /// The request shows it now.
        case applied
        /// The same update had come before; nothing changed.
        case repeated
        /// A newer one had been applied: kept as history, without effect on the request.
        case superseded
    }

    public let outcome: Outcome
    /// The request's status now.
    public let status: DetailedStatus
    public let updatedAt: Timestamp
    /// Of the trace that began with the request's POST, 16 bytes; nil where none was kept.
    public var traceID: [UInt8]?
    /// The CRM's first word on the request: how long after its POST.
    public var firstAfter: Duration?
}

/// Why a lifecycle update was refused; nothing of it is kept.
public enum StatusUpdateRefusal: Error, Sendable {
    /// No such request of this tenant (or of another one: the two look the same).
    case unknownRequest
    /// The person behind it was forgotten: nothing more is kept of it.
    case erasedRequest
    /// The update's id came before with another content.
    case conflictingUpdate
    case illegalTransition(IllegalTransition)
    case storage(StorageError)

    /// What the CRM is told; nil when it is not the CRM's fault.
    public var fault: StatusUpdateFault? {
        switch self {
        case .unknownRequest: .unknownRequest
        case .erasedRequest: .erasedRequest
        case .conflictingUpdate: .conflictingUpdate
        case .illegalTransition(let illegal): .illegalTransition(illegal)
        case .storage: nil
        }
    }
}

/// Writes the lifecycle updates that come by REST, each in one transaction.
public final class StatusUpdateStore: Sendable {
    let pool: PostgresPool

    /// - Parameter configuration: of the role that may change one tenant's requests at a time.
    public init(configuration: PostgresConfiguration, connections: Int = 4) throws {
        pool = try PostgresPool(configuration: configuration, size: connections)
    }

    public func apply(
        _ update: StatusUpdate, to request: ServiceRequestID, of tenant: TenantID
    ) async throws(StatusUpdateRefusal) -> AppliedUpdate {
        let outcome: Result<AppliedUpdate, StatusUpdateRefusal>
        do {
            outcome = try await pool.run { (session) throws(PostgresError) in
                try session.transaction { (session) throws(PostgresError) in
                    try StatusApplication.apply(update, to: request, of: tenant, session)
                }
            }
        } catch {
            throw .storage(StorageError(error))
        }
        return try outcome.get()
    }

    public func close() async { await pool.close() }
}
