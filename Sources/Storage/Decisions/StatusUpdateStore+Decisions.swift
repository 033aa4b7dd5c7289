import Open311
import Postgres

/// What became of a moderator's decision.
public struct AppliedModeration: Sendable, Equatable {
    /// False when the request was so already: nobody is told then.
    public let isChange: Bool
    public let isHidden: Bool
}

/// What became of an erasure.
public struct AppliedErasure: Sendable, Equatable {
    /// False when it had been erased before.
    public let isChange: Bool
    public let reason: String
    public let erasedAt: Timestamp
}

/// Decisions about a request as a whole, from the CRM's door and the operator's: each in one transaction with its event.
extension StatusUpdateStore {
    /// Another event of the same request may come between reading it and deciding.
    private static let attempts = 5

    /// Hides a request from every public answer, or shows it again, and tells the CRM.
    ///
    /// - Parameters:
    ///   - tenant: the request's own; its test endpoint for a request made there.
    ///   - who: a name or a key's public id, for the record.
    public func moderate(
        _ request: ServiceRequestID, _ moderation: Moderation, by who: String, of tenant: Tenant, origin: ServiceRequestEvent.Origin
    ) async throws(StatusUpdateRefusal) -> AppliedModeration {
        try await decide { (session) throws(PostgresError) in
            let answers = try session.pipeline([
                RequestSQL.tenant(tenant.id), (DecisionSQL.snapshot, Self.own(request, tenant)),
                (RequestSQL.reporters, [.int64s([request.rawValue])]),
            ])
            guard let row = answers[1].first else { return .failure(.unknownRequest) }
            guard row.isNull(28) else { return .failure(.erasedRequest) }
            let isHiding = moderation.decision == .hide
            guard try row.bool(27) != isHiding else { return .success(AppliedModeration(isChange: false, isHidden: isHiding)) }
            let snapshot = try ServiceRequestRow.snapshot(row, reporter: answers[2].first)
            let events = ServiceRequestEvent.moderated(snapshot, moderation, tenant: tenant, origin: origin)
            let isDone = try Self.write(
                DecisionSQL.moderate,
                [
                    .int64(request.rawValue), .int32(snapshot.sequence), .text(moderation.decision.state), .text(moderation.reason),
                    .text(who), .timestamp(moderation.decidedAt.microseconds), .int16(tenant.shard),
                ] + EventRows.parameters(events), tenant, session)
            return .success(isDone ? AppliedModeration(isChange: true, isHidden: isHiding) : nil)
        }
    }

    /// Forgets the person behind a request: in the database, in every event that is kept, in what still waits for the broker. The CRM
    /// is told; the files of its photos go with the cleaner's next sweep.
    ///
    /// - Parameters: as of ``moderate(_:_:by:of:origin:)``.
    public func erase(
        _ request: ServiceRequestID, because reason: ErasureReason, by who: String, of tenant: Tenant, origin: ServiceRequestEvent.Origin
    ) async throws(StatusUpdateRefusal) -> AppliedErasure {
        let moment = Timestamp.now
        return try await decide { (session) throws(PostgresError) in
            let own = Self.own(request, tenant)
            let answers = try session.pipeline([
                RequestSQL.tenant(tenant.id), (DecisionSQL.snapshot, own), (DecisionSQL.erasure, own),
            ])
            guard let row = answers[1].first else { return .failure(.unknownRequest) }
            if let before = answers[2].first {
                return .success(
                    AppliedErasure(
                        isChange: false, reason: try before.text(1), erasedAt: Timestamp(microseconds: try before.timestamp(0))))
            }
            let sequence = try row.int32(25)
            let event = ServiceRequestEvent.erased(
                request, because: reason, at: moment, sequence: sequence + 1, tenant: tenant, origin: origin)
            let isDone = try Self.write(
                DecisionSQL.erase,
                [
                    .int64(request.rawValue), .int32(sequence), .text(reason.rawValue), .text(who), .timestamp(moment.microseconds),
                    .int16(tenant.shard), .uuid(high: event.id.high, low: event.id.low), .text(event.kind.rawValue), .bytes(event.body),
                ], tenant, session)
            return .success(isDone ? AppliedErasure(isChange: true, reason: reason.rawValue, erasedAt: moment) : nil)
        }
    }

    /// For one of many, where one that is held is no reason to stop.
    ///
    /// - Returns: nil when a legal hold keeps it.
    public func eraseUnlessHeld(
        _ request: ServiceRequestID, because reason: ErasureReason, by who: String, of tenant: Tenant, origin: ServiceRequestEvent.Origin
    ) async throws(StatusUpdateRefusal) -> AppliedErasure? {
        do {
            return try await erase(request, because: reason, by: who, of: tenant, origin: origin)
        } catch {
            guard case .heldRequest = error else { throw error }
            return nil
        }
    }

    private static func own(_ request: ServiceRequestID, _ tenant: Tenant) -> [Parameter] {
        [.int32(tenant.id.rawValue), .int64(request.rawValue)]
    }

    /// - Returns: false when another event came between.
    private static func write(
        _ statement: Statement, _ parameters: [Parameter], _ tenant: Tenant, _ session: Session
    ) throws(PostgresError) -> Bool {
        let written = try session.pipeline([RequestSQL.tenant(tenant.id), (statement, parameters)])
        let isDone = try written[1].first.map { (row) throws(PostgresError) in try row.bool(0) } ?? false
        if isDone, !tenant.id.isTest { _ = try session.execute(IngestSQL.notify) }
        return isDone
    }

    private func decide<Outcome: Sendable>(
        _ attempt: @Sendable (Session) throws(PostgresError) -> Result<Outcome?, StatusUpdateRefusal>
    ) async throws(StatusUpdateRefusal) -> Outcome {
        for _ in 0..<Self.attempts {
            let outcome: Result<Outcome?, StatusUpdateRefusal>
            do { outcome = try await pool.run(attempt) } catch {
                throw error.sqlState == RetentionStore.isHeld ? .heldRequest : .storage(StorageError(error))
            }
            if let done = try outcome.get() { return done }
        }
        throw .storage(StorageError(.overloaded, detail: "the request changes too fast"))
    }
}
