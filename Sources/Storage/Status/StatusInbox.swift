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
                try session.renewPlans(after: StatusUpdateStore.plansLast)
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
        var (kept, sent): ([StatusMessage.Identity: StatusReceipt], [StatusReceipt]) = ([:], [])
        let began = Timestamp.now
        var audited: [AuditEntry] = []
        var delays: [Duration] = []
        var refusals: [RefusedUpdate] = []
        // What is to be judged together; what comes again among them waits for its first answer.
        var judged: [(place: Int, update: AddressedUpdate)] = []
        let named = try faultyRequests(messages, tenant.id, session)
        for (place, message) in messages.enumerated() {
            if let receipt = message.identity.flatMap({ known[$0] }) {
                // What was accepted is answered as before. What was refused left nothing behind: sent again, it is judged again, as by
                // REST; only given out again by the broker it has its answer already.
                if receipt.kind == .accepted || message.isRedelivered {
                    outcomes[place] = AppliedUpdate.Outcome.repeated.rawValue
                    if !message.isRedelivered { sent.append(receipt) }
                    audited.append(audit(message, tenant, AppliedUpdate.Outcome.repeated.rawValue, nil, since: began))
                    continue
                }
            }
            switch message.content {
            case .update(let update, let address): judged.append((place, AddressedUpdate(update, to: address)))
            case .fault(let fault, let address):
                outcomes[place] = refused
                let receipt = StatusReceipt(
                    .rejected(fault), to: message.id, matchedBy: message.correlationID, about: address?.number, tenant: tenant.key,
                    origin: origin)
                answer(message, receipt)
                if let id = message.id {
                    refusals.append(RefusedUpdate(id, of: named[place], because: fault, receipt: receipt.id))
                }
                audited.append(audit(message, tenant, refused, nil, because: fault, since: began))
            }
        }
        func answer(_ message: StatusMessage, _ receipt: StatusReceipt) {
            if let identity = message.identity { kept[identity] = receipt }
            sent.append(receipt)
        }
        var judge = LifecycleJudge(tenant: tenant.id, door: .amqp)
        for (one, outcome) in zip(judged, try judge.apply(judged.map(\.update), session)) {
            let message = messages[one.place]
            if let receipt = message.identity.flatMap({ kept[$0] }), receipt.kind == .accepted {
                outcomes[one.place] = AppliedUpdate.Outcome.repeated.rawValue
                if !message.isRedelivered { sent.append(receipt) }
                audited.append(audit(message, tenant, AppliedUpdate.Outcome.repeated.rawValue, nil, since: began))
                continue
            }
            if let delay = (try? outcome.get())?.firstAfter { delays.append(delay) }
            let (word, receipt) = try verdict(outcome, message, one.update.address.number, tenant, origin)
            outcomes[one.place] = word
            answer(message, receipt)
            var fault: StatusUpdateFault?
            if case .failure(let refusal) = outcome { fault = refusal.fault }
            if let fault, let id = message.id {
                refusals.append(RefusedUpdate(id, of: judge.request(one.update.address), because: fault, receipt: receipt.id))
            }
            audited.append(audit(message, tenant, word, try? outcome.get(), because: fault, since: began))
        }
        var steps = [(statement: AuditSQL.addDirectly, parameters: AuditSQL.parameters(audited))]
        if !refusals.isEmpty { steps.append((RefusedUpdateSQL.keep, RefusedUpdate.parameters(refusals, through: .amqp))) }
        if !kept.isEmpty { steps.append(keep(kept, tenant)) }
        if !sent.isEmpty { steps.append(send(sent, tenant)) }
        _ = try session.pipeline(steps)
        return (outcomes, delays)
    }

    /// Of each message whose body is at fault, the request that it names all the same.
    private static func faultyRequests(
        _ messages: [StatusMessage], _ tenant: TenantID, _ session: Session
    ) throws(PostgresError) -> [ServiceRequestID?] {
        let addresses = messages.map { message -> RequestAddress? in
            if case .fault(_, let address) = message.content { address } else { nil }
        }
        return try RequestName.requests(at: addresses, of: tenant, session)
    }

    private static let refused = "refused"

    /// Stored with the verdict itself: whatever ends in between, both are there or neither is.
    private static func audit(
        _ message: StatusMessage, _ tenant: Tenant, _ outcome: String, _ applied: AppliedUpdate?, because fault: StatusUpdateFault? = nil,
        since began: Timestamp
    ) -> AuditEntry {
        AuditEntry(
            at: began, tenant: tenant.id, direction: .inAMQP, actor: "crm", operation: "status_update",
            request: applied?.request ?? message.number,
            // As a call's row has it: the statistics count refusals by reason from there, whichever door they came by.
            objects: fault.map { "refused " + $0.code }, result: outcome,
            duration: .microseconds(Timestamp.now.microseconds - began.microseconds), bytesIn: message.bodyBytes,
            correlationID: message.id, traceID: message.traceID ?? applied?.traceID, bodyHash: message.bodyHash)
    }

    private static func verdict(
        _ outcome: Result<AppliedUpdate, StatusUpdateRefusal>, _ message: StatusMessage, _ request: ServiceRequestID?, _ tenant: Tenant,
        _ origin: ServiceRequestEvent.Origin
    ) throws(PostgresError) -> (String, StatusReceipt) {
        switch outcome {
        case .success(let applied):
            let verdict = StatusReceipt.Verdict.accepted(
                outcome: applied.outcome.rawValue, status: applied.status, updatedAt: applied.updatedAt)
            let receipt = StatusReceipt(
                verdict, to: message.id, about: applied.request, tenant: tenant.key, origin: origin,
                id: applied.outcome == .repeated ? nil : applied.receipt)
            return (applied.outcome.rawValue, receipt)
        case .failure(let refusal):
            guard let fault = refusal.fault else { throw PostgresError(.decoding, detail: "a refusal without a fault") }
            return (refused, StatusReceipt(.rejected(fault), to: message.id, about: request, tenant: tenant.key, origin: origin))
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
        _ receipts: [StatusMessage.Identity: StatusReceipt], _ tenant: Tenant
    ) -> (statement: Statement, parameters: [Parameter]) {
        let list = Array(receipts)
        return (
            StatusInboxSQL.keep,
            [
                .int32(tenant.id.rawValue), .texts(list.map(\.key.id)), .byteStrings(list.map(\.key.digest)),
                .uuids(list.map { ($0.value.id.high, $0.value.id.low) }), .texts(list.map(\.value.kind.rawValue)),
                .byteStrings(list.map(\.value.body)),
            ]
        )
    }

    private static func send(_ receipts: [StatusReceipt], _ tenant: Tenant) -> (statement: Statement, parameters: [Parameter]) {
        (
            StatusInboxSQL.send,
            [
                .int16(tenant.shard), .uuids(receipts.map { ($0.id.high, $0.id.low) }), .texts(receipts.map(\.kind.rawValue)),
                .texts(receipts.map(\.messageID)), .byteStrings(receipts.map(\.body)),
            ]
        )
    }
}
