import Open311
import Postgres

/// Takes the lifecycle updates that come over AMQP: update, answer and the note that it was answered are written in one
/// transaction, so that a message given out again is answered the same.
public final class StatusInbox: Sendable {
    /// Transactions at a time: what one waits for, the disk above all, another one uses.
    public static let lines = 4

    private let pool: PostgresPool
    private let origin: ServiceRequestEvent.Origin
    private let acknowledged: @Sendable (TenantKey, Duration) -> Void

    /// - Parameters:
    ///   - configuration: of the role that may change one tenant's requests at a time.
    ///   - origin: what receipts say of this installation.
    ///   - acknowledged: told of the first word on a request, and how long after its POST it came.
    public init(
        configuration: PostgresConfiguration, origin: ServiceRequestEvent.Origin, connections: Int = StatusInbox.lines,
        acknowledged: @escaping @Sendable (TenantKey, Duration) -> Void = { _, _ in }
    ) throws {
        self.acknowledged = acknowledged
        pool = try PostgresPool(configuration: configuration, size: connections)
        self.origin = origin
    }

    /// Judges messages of one tenant in one transaction; those of one request in the order given.
    ///
    /// - Parameter messages: a hundred or so: their requests are locked until all are judged.
    /// - Returns: what became of each, in order: `applied`, `repeated`, `superseded`, `refused`; nil when the database refuses this
    ///   very message.
    /// - Throws: only when the database is away; nothing was written then.
    public func take(_ messages: [StatusMessage], of tenant: Tenant) async throws(StorageError) -> [String?] {
        do {
            return try await attempt(messages, of: tenant)
        } catch {
            guard !error.isRetriable else { throw error }
            // One of them is at fault, or another process took some at the same time: each alone shows which.
            guard messages.count > 1 else { return [try? await attempt(messages, of: tenant).first ?? nil] }
            var outcomes: [String?] = []
            for message in messages { outcomes += try await take([message], of: tenant) }
            return outcomes
        }
    }

    public func close() async { await pool.close() }

    private func attempt(_ messages: [StatusMessage], of tenant: Tenant) async throws(StorageError) -> [String?] {
        let origin = self.origin
        let (outcomes, delays) = try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                let outcomes = try session.transaction { (session) throws(PostgresError) in
                    try Self.judge(messages, tenant, origin, session)
                }
                _ = try? session.execute(IngestSQL.notify)
                return outcomes
            }
        }
        for delay in delays { acknowledged(tenant.key, delay) }
        return outcomes
    }

    private static func judge(
        _ messages: [StatusMessage], _ tenant: Tenant, _ origin: ServiceRequestEvent.Origin, _ session: Session
    ) throws(PostgresError) -> ([String?], [Duration]) {
        let answers = try session.pipeline([
            RequestSQL.tenant(tenant.id),
            (StatusInboxSQL.known, [.int32(tenant.id.rawValue), .texts(messages.map(\.id).filter { $0 != nil })]),
        ])
        var known: [StatusMessage.Identity: StatusReceipt] = [:]
        for (identity, receipt) in try answers[1].map(kept) { known[identity] = receipt }
        var outcomes = [String?](repeating: nil, count: messages.count)
        var steps: [(statement: Statement, parameters: [Parameter])] = []
        let began = Timestamp.now
        var audited: [AuditEntry] = []
        var delays: [Duration] = []
        // Locks are taken in the order of the requests, so that two processes never wait for each other; the sort keeps the
        // order of the messages of one request.
        let order = messages.indices.sorted { (messages[$0].locked, $0) < (messages[$1].locked, $1) }
        for index in order {
            let message = messages[index]
            if let identity = message.identity, let receipt = known[identity] {
                outcomes[index] = AppliedUpdate.Outcome.repeated.rawValue
                if !message.isRedelivered { steps.append(send(receipt, tenant)) }
                audited.append(audit(message, tenant, AppliedUpdate.Outcome.repeated.rawValue, nil, since: began))
                continue
            }
            let (outcome, receipt, applied) = try verdict(on: message, tenant, origin, session)
            outcomes[index] = outcome
            audited.append(audit(message, tenant, outcome, applied?.traceID, since: began))
            if let delay = applied?.firstAfter { delays.append(delay) }
            if let identity = message.identity {
                known[identity] = receipt
                steps.append(keep(receipt, identity, tenant))
            }
            steps.append(send(receipt, tenant))
        }
        steps.append((AuditSQL.addDirectly, AuditSQL.parameters(audited)))
        _ = try session.pipeline(steps)
        return (outcomes, delays)
    }

    /// Stored with the verdict itself: whatever ends in between, both are there or neither is.
    private static func audit(
        _ message: StatusMessage, _ tenant: Tenant, _ outcome: String, _ traceID: [UInt8]?, since began: Timestamp
    ) -> AuditEntry {
        AuditEntry(
            at: began, tenant: tenant.id, direction: .inAMQP, actor: "crm", operation: "status_update",
            request: message.locked == 0 ? nil : ServiceRequestID(stored: message.locked), result: outcome,
            duration: .microseconds(Timestamp.now.microseconds - began.microseconds), bytesIn: message.bodyBytes,
            correlationID: message.id, traceID: message.traceID ?? traceID, bodyHash: message.bodyHash)
    }

    private static func verdict(
        on message: StatusMessage, _ tenant: Tenant, _ origin: ServiceRequestEvent.Origin, _ session: Session
    ) throws(PostgresError) -> (String, StatusReceipt, AppliedUpdate?) {
        func receipt(_ verdict: StatusReceipt.Verdict, _ request: ServiceRequestID?) -> StatusReceipt {
            StatusReceipt(verdict, to: message.id, about: request, tenant: tenant.key, origin: origin)
        }
        let refused = "refused"
        switch message.content {
        case .fault(let fault, let request): return (refused, receipt(.rejected(fault), request), nil)
        case .update(let update, let request):
            switch try StatusApplication.apply(update, to: request, of: tenant.id, session) {
            case .success(let applied):
                let verdict = StatusReceipt.Verdict.accepted(
                    outcome: applied.outcome.rawValue, status: applied.status, updatedAt: applied.updatedAt)
                return (applied.outcome.rawValue, receipt(verdict, request), applied)
            case .failure(let refusal):
                guard let fault = refusal.fault else { throw PostgresError(.decoding, detail: "a refusal without a fault") }
                return (refused, receipt(.rejected(fault), request), nil)
            }
        }
    }

    private static func kept(_ row: Row) throws(PostgresError) -> (StatusMessage.Identity, StatusReceipt) {
        let id = try row.text(0)
        let uuid = try row.uuid(2)
        guard let kind = StatusReceipt.Kind(rawValue: try row.text(3)) else {
            throw PostgresError(.decoding, detail: "a kept receipt has an unknown type")
        }
        let receipt = StatusReceipt(
            id: EventID(high: uuid.high, low: uuid.low), kind: kind, messageID: id, body: try row.byteString(4))
        return (StatusMessage.Identity(id: id, digest: try row.byteString(1)), receipt)
    }

    private static func keep(
        _ receipt: StatusReceipt, _ identity: StatusMessage.Identity, _ tenant: Tenant
    ) -> (statement: Statement, parameters: [Parameter]) {
        (
            StatusInboxSQL.keep,
            [
                .int32(tenant.id.rawValue), .text(identity.id), .bytes(identity.digest),
                .uuid(high: receipt.id.high, low: receipt.id.low), .text(receipt.kind.rawValue), .bytes(receipt.body),
            ]
        )
    }

    private static func send(_ receipt: StatusReceipt, _ tenant: Tenant) -> (statement: Statement, parameters: [Parameter]) {
        (
            StatusInboxSQL.send,
            [
                .uuid(high: receipt.id.high, low: receipt.id.low), .int16(tenant.shard), .text(receipt.kind.rawValue),
                .text(receipt.messageID), .bytes(receipt.body),
            ]
        )
    }
}
