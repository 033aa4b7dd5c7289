import Open311
import Postgres

/// Through which door an update came.
enum StatusDoor: String {
    case rest, amqp
}

/// The rules of lifecycle updates against the database, whichever door they come through: idempotent on the update's id, and what
/// comes of them depends on when they happened in the CRM, not on when they came.
///
/// A group is read in one go, judged in memory while its requests are locked, and written in one go.
struct LifecycleJudge {
    typealias Outcome = Result<AppliedUpdate, StatusUpdateRefusal>

    /// A request under judgement.
    private struct Work {
        let id: ServiceRequestID
        let isErased: Bool
        let eventSequence: Int32
        let traceID: [UInt8]?
        let requestedAt: Timestamp
        /// Whether citizens know it by a token only: until the next update.
        var waitsForID: Bool
        var lifecycle: Lifecycle
        /// Of the newest update so far, nil before the first.
        var newest: LifecyclePosition?
        var updatedAt: Timestamp
        var version: Int32
        var acknowledgedAt: Timestamp?
        /// When the CRM last said something that citizens see.
        var progressAt: Timestamp?
        /// Only where an older update has come.
        var history: [LifecycleStep]?
        /// Whether its history has updates of the time when only their statuses and notes were kept.
        var isPartlyKnown = false
        var isChanged = false

        var shownVersion: String { "\(eventSequence)-\(version)" }
    }

    private struct Key: Hashable {
        let request: ServiceRequestID
        let update: String
    }

    private let tenant: TenantID
    private let door: StatusDoor
    private let now = Timestamp.now
    private var names: [RequestName: ServiceRequestID] = [:]
    private var works: [ServiceRequestID: Work] = [:]
    private var known: [Key: (fingerprint: [UInt8], receipt: EventID?)] = [:]
    private var newNames: [(name: RequestName, request: ServiceRequestID)] = []
    private var records: [StatusRecord] = []
    /// Of the requests whose erasure is answered: what their CRM had answered before.
    private var erasures: [ServiceRequestID: CRMErasureAnswer?] = [:]
    private var erasureAnswers: [ServiceRequestID: CRMErasureAnswer] = [:]
    /// What requests were merged into that a late update could make parents again.
    private var parents = MergedRequests()
    /// Of the records and of earlier updates: whether each still counts.
    private var counting: [Key: Bool] = [:]

    init(tenant: TenantID, door: StatusDoor) {
        self.tenant = tenant
        self.door = door
    }

    /// Applies updates inside the caller's transaction, which stays usable whatever the verdicts; locks their requests.
    ///
    /// - Returns: what became of each, in their order.
    mutating func apply(_ updates: [AddressedUpdate], _ session: Session) throws(PostgresError) -> [Outcome] {
        try read(updates, session)
        var outcomes: [Outcome] = []
        outcomes.reserveCapacity(updates.count)
        for update in updates { outcomes.append(judge(update)) }
        try write(refused(updates, outcomes), session)
        return outcomes
    }

    // MARK: Reading

    /// What an address of these updates means.
    func request(_ address: RequestAddress) -> ServiceRequestID? {
        if case .number(let id) = address { return id }
        return RequestName(address).flatMap { names[$0] }
    }

    private mutating func read(_ updates: [AddressedUpdate], _ session: Session) throws(PostgresError) {
        var wanted: Set<RequestName> = []
        for one in updates {
            if let name = RequestName(one.address) { wanted.insert(name) }
            if let name = one.update.mergedInto.flatMap(RequestName.init) { wanted.insert(name) }
            if let reference = one.update.externalReference { wanted.insert(RequestName(reference: reference)) }
        }
        var steps = [RequestSQL.tenant(tenant)]
        if !wanted.isEmpty {
            steps.append(RequestName.step(wanted, tenant))
            names.merge(try RequestName.requests(try session.pipeline(steps)[1])) { $1 }
            steps = []
        }
        var requests: Set<ServiceRequestID> = []
        var keys: [Key] = []
        for one in updates {
            guard let id = request(one.address) else { continue }
            requests.insert(id)
            keys.append(Key(request: id, update: one.update.id))
            if let parent = one.update.mergedInto.flatMap(request) { requests.insert(parent) }
        }
        guard !requests.isEmpty else {
            if !steps.isEmpty { _ = try session.pipeline(steps) }
            return
        }
        steps.append((StatusSQL.lock, [.int32(tenant.rawValue), .int64s(requests.map(\.rawValue))]))
        steps.append(
            (StatusSQL.known, [.int32(tenant.rawValue), .int64s(keys.map(\.request.rawValue)), .texts(keys.map(\.update))]))
        let answers = try session.pipeline(steps)
        let (locked, found) = (answers[answers.count - 2], answers[answers.count - 1])
        for index in 0..<locked.count {
            let work = try Self.work(locked[index])
            works[work.id] = work
        }
        for index in 0..<found.count {
            let row = found[index]
            let key = Key(request: ServiceRequestID(stored: try row.int64(0)), update: try row.text(1))
            let receipt = row.isNull(3) ? nil : try row.uuid(3)
            known[key] = (try row.byteString(2), receipt.map { EventID(high: $0.high, low: $0.low) })
        }
        let forgotten = updates.filter { $0.update.erasure != nil }.compactMap { request($0.address) }
        if !forgotten.isEmpty {
            let rows = try session.execute(ErasureRegisterSQL.answered, [.int32(tenant.rawValue), .int64s(forgotten.map(\.rawValue))])
            for index in 0..<rows.count {
                let row = rows[index]
                let outcome = row.optionalText(1).flatMap { CRMErasureOutcome(rawValue: $0) }
                let before = outcome.flatMap { try? CRMErasureAnswer(outcome: $0, reason: row.optionalText(2)) }
                erasures.updateValue(before, forKey: ServiceRequestID(stored: try row.int64(0)))
            }
        }
        try readHistories(updates, session)
    }

    /// Of the requests for which an update comes late: only then is more needed than how things stand.
    private mutating func readHistories(_ updates: [AddressedUpdate], _ session: Session) throws(PostgresError) {
        var latest: [ServiceRequestID: LifecyclePosition] = [:]
        var late: Set<ServiceRequestID> = []
        for one in updates {
            guard let id = request(one.address), let work = works[id], known[Key(request: id, update: one.update.id)] == nil else {
                continue
            }
            let position = position(one.update)
            if let before = latest[id] ?? work.newest, position.isBefore(before) == true {
                late.insert(id)
            } else {
                latest[id] = position
            }
        }
        guard !late.isEmpty else { return }
        for id in late { works[id]?.history = [] }
        let rows = try session.execute(StatusSQL.history, [.int32(tenant.rawValue), .int64s(late.map(\.rawValue))])
        for index in 0..<rows.count {
            let row = rows[index]
            let id = ServiceRequestID(stored: try row.int64(0))
            let step = try Self.step(row)
            works[id]?.history?.append(step)
            if try row.bool(13) { works[id]?.isPartlyKnown = true }
            counting[Key(request: id, update: step.position.updateID)] = try row.bool(5)
        }
        let named = Set(late.flatMap { works[$0]?.history?.compactMap(\.mergedInto) ?? [] })
        try parents.read(named.filter { works[$0] == nil }, and: named, of: tenant, session)
    }

    private static func work(_ row: Row) throws(PostgresError) -> Work {
        guard let status = try? DetailedStatus(validating: try row.text(1)) else {
            throw PostgresError(.decoding, detail: "a stored status breaks its rule")
        }
        var lifecycle = Lifecycle(status)
        lifecycle.statusNotes = row.optionalText(2)
        lifecycle.agencyResponsible = row.optionalText(3)
        lifecycle.expectedAt = row.optionalTimestamp(4).map { Timestamp(microseconds: $0) }
        lifecycle.serviceNotice = row.optionalText(5)
        lifecycle.externalReference = row.optionalText(6)
        lifecycle.mergedInto = row.optionalInt64(7).map { ServiceRequestID(stored: $0) }
        lifecycle.movedBy = row.optionalText(17)
        let newest = row.optionalTimestamp(8).map { moment in
            LifecyclePosition(
                occurredAt: Timestamp(microseconds: moment), sequence: row.optionalInt64(9), arrival: .distantPast, updateID: "")
        }
        return Work(
            id: ServiceRequestID(stored: try row.int64(0)), isErased: try row.bool(11), eventSequence: try row.int32(12),
            traceID: row.isNull(15) ? nil : try row.byteString(15), requestedAt: Timestamp(microseconds: try row.timestamp(16)),
            waitsForID: try row.bool(18), lifecycle: lifecycle, newest: newest, updatedAt: Timestamp(microseconds: try row.timestamp(10)),
            version: try row.int32(13),
            acknowledgedAt: row.optionalTimestamp(14).map { Timestamp(microseconds: $0) },
            progressAt: row.optionalTimestamp(19).map { Timestamp(microseconds: $0) })
    }

    private static func step(_ row: Row) throws(PostgresError) -> LifecycleStep {
        let position = LifecyclePosition(
            occurredAt: Timestamp(microseconds: try row.timestamp(2)), sequence: row.optionalInt64(3),
            arrival: Timestamp(microseconds: try row.timestamp(4)), updateID: try row.text(1))
        var step = LifecycleStep(
            position: position, status: row.optionalText(6).flatMap { try? StatusUpdate.RequestedStatus(stored: $0) })
        step.statusNotes = row.optionalText(7)
        step.agencyResponsible = row.optionalText(8)
        step.expectedAt = row.optionalTimestamp(9).map { Timestamp(microseconds: $0) }
        step.serviceNotice = row.optionalText(10)
        step.externalReference = row.optionalText(11)
        step.mergedInto = row.optionalInt64(12).map { ServiceRequestID(stored: $0) }
        return step
    }

    // MARK: Judging

    /// Of what one group brings, the later word arrived later.
    private func position(_ update: StatusUpdate) -> LifecyclePosition {
        LifecyclePosition(
            occurredAt: update.occurredAt, sequence: update.sourceSequence,
            arrival: Timestamp(microseconds: now.microseconds + Int64(records.count)), updateID: update.id)
    }

    private mutating func judge(_ one: AddressedUpdate) -> Outcome {
        let update = one.update
        guard let id = request(one.address), var work = works[id] else { return .failure(.unknownRequest) }
        if let answer = update.erasure { return judge(answer, work) }
        // A note would bring the person back.
        guard !work.isErased else { return .failure(.erasedRequest) }
        let key = Key(request: id, update: update.id)
        if let before = known[key] {
            guard before.fingerprint == update.fingerprint else { return .failure(.conflictingUpdate) }
            return .success(Self.applied(.repeated, work, before.receipt))
        }
        if let fault = update.unmapped { return .failure(.unmapped(fault)) }
        if let expected = one.expectedVersions, !expected.contains(work.shownVersion) { return .failure(.staleVersion(work.shownVersion)) }
        var parent: ServiceRequestID?
        if let address = update.mergedInto {
            guard let found = request(address).flatMap({ works[$0] }), !found.isErased else {
                return .failure(.invalidName(.unknownParent))
            }
            guard found.id != id else { return .failure(.invalidName(.invalidParent(nil))) }
            // So that there is never a circle.
            if let beyond = found.lifecycle.mergedInto { return .failure(.invalidName(.invalidParent(beyond))) }
            parent = found.id
        }
        let reference = update.externalReference.map(RequestName.init(reference:))
        if let reference, let owner = names[reference], owner != id { return .failure(.invalidName(.referenceInUse)) }
        let step = LifecycleStep(update, arrival: position(update).arrival, mergedInto: parent)
        let isLate = work.newest.map { step.position.isBefore($0) == true } ?? false
        if isLate {
            do throws(StatusUpdateRefusal) { try insert(step, into: &work) } catch { return .failure(error) }
        } else {
            do { try work.lifecycle.take(step) } catch { return .failure(.illegalTransition(error)) }
            work.newest = step.position
            work.history?.append(step)
            counting[key] = true
        }
        // What citizens are not shown is no news to them; that they may know the request now is.
        if update.isPublic || work.waitsForID { work.updatedAt = max(work.updatedAt, update.occurredAt) }
        if update.isPublic { work.progressAt = now }
        work.waitsForID = false
        work.version += 1
        let firstAfter = work.acknowledgedAt == nil ? work.requestedAt : nil
        work.acknowledgedAt = work.acknowledgedAt ?? now
        work.isChanged = true
        works[id] = work
        if let reference, names[reference] == nil {
            names[reference] = id
            newNames.append((reference, id))
        }
        let receipt = EventID(at: now)
        let outcome: AppliedUpdate.Outcome = isLate ? .superseded : .applied
        records.append(
            StatusRecord(
                request: id, update: update, arrival: step.position.arrival, parent: parent, outcome: outcome.rawValue, receipt: receipt))
        known[key] = (update.fingerprint, receipt)
        let delay = firstAfter.map { Duration.microseconds(max(0, now.microseconds - $0.microseconds)) }
        return .success(Self.applied(outcome, work, receipt, firstAfter: delay))
    }

    /// What was kept may be erased later; what is erased stays so.
    private mutating func judge(_ answer: CRMErasureAnswer, _ work: Work) -> Outcome {
        guard let before = erasures[work.id] else { return .failure(.unknownErasure) }
        let outcome: AppliedUpdate.Outcome =
            before == answer ? .repeated : before?.outcome == .erased ? .superseded : .applied
        if outcome == .applied {
            erasures.updateValue(answer, forKey: work.id)
            erasureAnswers[work.id] = answer
        }
        return .success(Self.applied(outcome, work, EventID(at: now)))
    }

    /// An older update takes its place, and the request becomes what its whole history says.
    private mutating func insert(_ step: LifecycleStep, into work: inout Work) throws(StatusUpdateRefusal) {
        let steps = (work.history ?? []) + [step]
        let (end, void) = Lifecycle.replayed(steps)
        guard !void.contains(step.position) else {
            var before = Lifecycle()
            for earlier in steps.sorted(by: { $0.position < $1.position }) where earlier.position < step.position {
                try? before.take(earlier)
            }
            do { try before.take(step) } catch { throw .illegalTransition(error) }
            return
        }
        // What made it stand for itself may be void now, and its parent its own duplicate since.
        if let parent = end.mergedInto, parents.lead(from: parent, to: work.id, now: { works[$0].map(\.lifecycle.mergedInto) }) {
            throw .invalidName(.circularParent(parent))
        }
        let current = work.lifecycle
        work.lifecycle = end
        if work.isPartlyKnown {
            work.lifecycle.agencyResponsible = end.agencyResponsible ?? current.agencyResponsible
            work.lifecycle.expectedAt = end.expectedAt ?? current.expectedAt
            work.lifecycle.serviceNotice = end.serviceNotice ?? current.serviceNotice
        }
        work.history = steps
        for one in steps { counting[Key(request: work.id, update: one.position.updateID)] = !void.contains(one.position) }
    }

    private static func applied(
        _ outcome: AppliedUpdate.Outcome, _ work: Work, _ receipt: EventID?, firstAfter: Duration? = nil
    ) -> AppliedUpdate {
        AppliedUpdate(
            outcome: outcome, request: work.id, status: work.lifecycle.status, updatedAt: work.updatedAt, version: work.shownVersion,
            receipt: receipt, traceID: work.traceID, firstAfter: firstAfter)
    }

    // MARK: Writing

    /// Over AMQP the inbox keeps them, with their receipts.
    private func refused(_ updates: [AddressedUpdate], _ outcomes: [Outcome]) -> [RefusedUpdate] {
        guard door == .rest else { return [] }
        return zip(updates, outcomes).compactMap { one, outcome in
            guard case .failure(let refusal) = outcome, let fault = refusal.fault else { return nil }
            return RefusedUpdate(one.update.id, of: request(one.address), because: fault)
        }
    }

    private func write(_ refused: [RefusedUpdate], _ session: Session) throws(PostgresError) {
        guard !records.isEmpty || !refused.isEmpty || !erasureAnswers.isEmpty else { return }
        let changed = works.values.filter(\.isChanged)
        var steps: [(statement: Statement, parameters: [Parameter])] = []
        if !refused.isEmpty { steps.append((RefusedUpdateSQL.keep, RefusedUpdate.parameters(refused, through: door))) }
        for (request, answer) in erasureAnswers {
            steps.append(
                (
                    ErasureRegisterSQL.answer,
                    [.int32(tenant.rawValue), .int64(request.rawValue), .text(answer.outcome.rawValue), .text(answer.reason)]
                ))
        }
        if !records.isEmpty {
            // First what was said: the change looks it up for whoever is told.
            steps.append(
                (
                    StatusSQL.record,
                    StatusRecord.parameters(records, of: tenant, through: door) {
                        counting[Key(request: $0.request, update: $0.update.id)] ?? true
                    }
                ))
            steps.append((StatusSQL.change, Self.change(changed, tenant)))
        }
        let own = Set(records.map { Key(request: $0.request, update: $0.update.id) })
        let earlier = counting.filter { !own.contains($0.key) && works[$0.key.request]?.isChanged == true }
        if !earlier.isEmpty {
            let list = Array(earlier)
            steps.append(
                (
                    StatusSQL.void,
                    [
                        .int32(tenant.rawValue), .int64s(list.map(\.key.request.rawValue)), .texts(list.map(\.key.update)),
                        .bools(list.map(\.value)),
                    ]
                ))
        }
        if !newNames.isEmpty {
            steps.append(
                (
                    StatusSQL.keepNames,
                    [
                        .int32(tenant.rawValue), .texts(newNames.map(\.name.kind)), .texts(newNames.map(\.name.text)),
                        .int64s(newNames.map(\.request.rawValue)),
                    ]
                ))
        }
        let answers = try session.pipeline(steps)
        guard newNames.isEmpty || answers.last?.count == newNames.count else {
            throw PostgresError(.refused, sqlState: "40001", statement: StatusSQL.keepNames.name, detail: "a name was taken meanwhile")
        }
    }

    private static func change(_ works: [Work], _ tenant: TenantID) -> [Parameter] {
        [
            .int32(tenant.rawValue), .int64s(works.map(\.id.rawValue)), .texts(works.map(\.lifecycle.status.description)),
            .bools(works.map { $0.lifecycle.status.publicStatus == .open }), .texts(works.map(\.lifecycle.statusNotes)),
            .texts(works.map(\.lifecycle.agencyResponsible)), .timestamps(works.map { $0.lifecycle.expectedAt?.microseconds }),
            .texts(works.map(\.lifecycle.serviceNotice)), .texts(works.map(\.lifecycle.externalReference)),
            .int64s(works.map { $0.lifecycle.mergedInto?.rawValue ?? 0 }), .timestamps(works.map { $0.newest?.occurredAt.microseconds }),
            .int64s(works.map { $0.newest?.sequence ?? -1 }), .timestamps(works.map(\.updatedAt.microseconds)),
            .timestamps(works.map { $0.acknowledgedAt?.microseconds }), .int32s(works.map(\.version)),
            .texts(works.map(\.lifecycle.movedBy)), .timestamps(works.map { $0.progressAt?.microseconds }),
        ]
    }
}
