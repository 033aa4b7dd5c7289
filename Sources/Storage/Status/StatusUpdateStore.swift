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
}

/// Why a lifecycle update was refused; nothing of it is kept.
public enum StatusUpdateRefusal: Error, Sendable {
    /// No such request of this tenant (or of another one: the two look the same).
    case unknownRequest
    /// The update's id came before with another content.
    case conflictingUpdate
    case illegalTransition(IllegalTransition)
    case storage(StorageError)
}

/// Writes lifecycle updates, each in one transaction that locks its request: idempotent on the update's id, and an older
/// update never overwrites a newer one.
public final class StatusUpdateStore: Sendable {
    private let pool: PostgresPool

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
                try session.transaction { (session) throws(PostgresError) in try Self.apply(update, to: request, of: tenant, session) }
            }
        } catch {
            throw .storage(StorageError(error))
        }
        return try outcome.get()
    }

    public func close() async { await pool.close() }

    private static func apply(
        _ update: StatusUpdate, to request: ServiceRequestID, of tenant: TenantID, _ session: Session
    ) throws(PostgresError) -> Result<AppliedUpdate, StatusUpdateRefusal> {
        let own: [Parameter] = [.int32(tenant.rawValue), .int64(request.rawValue)]
        let answers = try session.pipeline([
            RequestSQL.tenant(tenant), (StatusSQL.lock, own), (StatusSQL.known, own + [.text(update.id)]),
        ])
        guard let row = answers[1].first else { return .failure(.unknownRequest) }
        guard let current = try? DetailedStatus(validating: try row.text(0)) else {
            throw PostgresError(.decoding, detail: "a stored status breaks its rule")
        }
        let updatedAt = Timestamp(microseconds: try row.timestamp(3))
        if let known = answers[2].first {
            guard try known.byteString(0) == update.fingerprint else { return .failure(.conflictingUpdate) }
            return .success(AppliedUpdate(outcome: .repeated, status: current, updatedAt: updatedAt))
        }
        if let newest = row.optionalTimestamp(1), newest > update.occurredAt.microseconds {
            _ = try session.execute(StatusSQL.record, record(update, request, tenant, applied: false))
            return .success(AppliedUpdate(outcome: .superseded, status: current, updatedAt: updatedAt))
        }
        let next = update.status?.resolved(from: current) ?? current
        do { try current.checkMove(to: next) } catch { return .failure(.illegalTransition(error)) }
        let changedAt = max(Timestamp(microseconds: try row.timestamp(2)), update.occurredAt)
        _ = try session.pipeline([
            (
                StatusSQL.change,
                own + [
                    .text(next.description), .bool(next.publicStatus == .open), .text(update.statusNotes),
                    .text(update.agencyResponsible), .timestamp(update.expectedAt?.microseconds), .text(update.serviceNotice),
                    .text(update.externalReference), .timestamp(update.occurredAt.microseconds), .timestamp(changedAt.microseconds),
                ]
            ), (StatusSQL.record, record(update, request, tenant, applied: true)),
        ])
        return .success(AppliedUpdate(outcome: .applied, status: next, updatedAt: changedAt))
    }

    private static func record(_ update: StatusUpdate, _ request: ServiceRequestID, _ tenant: TenantID, applied: Bool) -> [Parameter] {
        let status: String? =
            switch update.status {
            case .detailed(let status): status.description
            case .general(let word): word.rawValue
            case nil: nil
            }
        return [
            .int64(request.rawValue), .text(update.id), .int32(tenant.rawValue), .bytes(update.fingerprint),
            .timestamp(update.occurredAt.microseconds), .bool(applied), .text(status), .text(update.statusNotes),
            .text(update.externalReference),
        ]
    }
}
