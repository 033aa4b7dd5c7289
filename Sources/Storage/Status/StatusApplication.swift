import Open311
import Postgres

/// The rules of lifecycle updates against the database, whichever door they come through: idempotent on the update's id, and an
/// older update never overwrites a newer one.
enum StatusApplication {
    /// Applies one update inside the caller's transaction, which stays usable whatever the verdict; locks the request's row.
    static func apply(
        _ update: StatusUpdate, to request: ServiceRequestID, of tenant: TenantID, _ session: Session
    ) throws(PostgresError) -> Result<AppliedUpdate, StatusUpdateRefusal> {
        let own: [Parameter] = [.int32(tenant.rawValue), .int64(request.rawValue)]
        let answers = try session.pipeline([
            RequestSQL.tenant(tenant), (StatusSQL.lock, own), (StatusSQL.known, own + [.text(update.id)]),
        ])
        guard let row = answers[1].first else { return .failure(.unknownRequest) }
        // A note would bring the person back.
        guard try !row.bool(4) else { return .failure(.erasedRequest) }
        guard let current = try? DetailedStatus(validating: try row.text(0)) else {
            throw PostgresError(.decoding, detail: "a stored status breaks its rule")
        }
        let updatedAt = Timestamp(microseconds: try row.timestamp(3))
        let traceID = row.isNull(5) ? nil : try row.byteString(5)
        let isFirst = row.optionalTimestamp(1) == nil
        let requestedAt = try row.timestamp(2)
        if let known = answers[2].first {
            guard try known.byteString(0) == update.fingerprint else { return .failure(.conflictingUpdate) }
            return .success(AppliedUpdate(outcome: .repeated, status: current, updatedAt: updatedAt, traceID: traceID))
        }
        if let newest = row.optionalTimestamp(1), newest > update.occurredAt.microseconds {
            _ = try session.execute(StatusSQL.record, record(update, request, tenant, applied: false))
            return .success(AppliedUpdate(outcome: .superseded, status: current, updatedAt: updatedAt, traceID: traceID))
        }
        let next = update.status?.resolved(from: current) ?? current
        do { try current.checkMove(to: next) } catch { return .failure(.illegalTransition(error)) }
        let changedAt = max(Timestamp(microseconds: requestedAt), update.occurredAt)
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
        let waited = Duration.microseconds(max(0, Timestamp.now.microseconds - requestedAt))
        return .success(
            AppliedUpdate(
                outcome: .applied, status: next, updatedAt: changedAt, traceID: traceID, firstAfter: isFirst ? waited : nil))
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
