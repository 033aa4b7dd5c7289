import Open311
import Postgres

/// What retention does to the database: each call is one small transaction, and writes into the ledger what went in it. Whoever began
/// the run holds its lock with this connection: when that is lost, the database refuses the rest.
public final class RetentionStore: Sendable {
    private let connection: PostgresConnection

    /// - Parameter configuration: of the watch's role.
    public init(configuration: PostgresConfiguration) throws {
        // What a crash of the server takes back, the next run does again.
        var patient = configuration.setting("synchronous_commit", to: "off")
        // A month of a large city is read once before it goes.
        patient.statementTimeout = .seconds(300)
        connection = try PostgresConnection(configuration: patient)
    }

    public func close() async { await connection.close() }

    /// The classes of refusal that migration 0092 raises.
    private static let fences: Set<String> = ["B3110", "B3111", "B3112", isHeld]
    /// A legal hold stands.
    static let isHeld = "B3113"

    private func run<Value: Sendable>(
        _ body: @Sendable (Session) throws(PostgresError) -> Value
    ) async throws(RetentionError) -> Value {
        do {
            return try await connection.run(body)
        } catch {
            if let state = error.sqlState, Self.fences.contains(state) { throw .refused(Self.sentence(error.detail)) }
            throw .storage(StorageError(error))
        }
    }

    /// The server's first line, without its `ERROR:`.
    private static func sentence(_ detail: String) -> String {
        let line = detail.split(separator: "\n").first.map(String.init) ?? detail
        return line.hasPrefix("ERROR:") ? String(line.dropFirst(6).drop { $0 == " " }) : line
    }

    // MARK: Runs

    /// Begins a run.
    ///
    /// - Parameters:
    ///   - moment: terms are counted from it; refused when the database's clock is behind it.
    ///   - afterGap: a person says that the clock is right though no run was for more than 35 days.
    /// - Returns: its number; nil while another process leads one.
    public func begin(at moment: Timestamp, by who: String, afterGap: Bool) async throws(RetentionError) -> Int64? {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.begin, [.timestamp(moment.microseconds), .text(who), .bool(afterGap)]).first?.optionalInt64(0)
        }
    }

    /// - Parameter outcome: finished, partial or interrupted.
    /// - Returns: the digest of the ledger's last entry.
    public func end(_ number: Int64, _ outcome: String) async throws(RetentionError) -> [UInt8]? {
        try await run { (session) throws(PostgresError) in
            let row = try session.execute(RetentionSQL.end, [.int64(number), .text(outcome)]).first
            return try row.flatMap { (row) throws(PostgresError) in row.isNull(0) ? nil : try row.byteString(0) }
        }
    }

    /// When the last run began, and whether it came to its end.
    public func lastRun() async throws(RetentionError) -> (beganAt: Timestamp, isOver: Bool)? {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.lastRun).first.map { (row) throws(PostgresError) in
                let outcome = row.optionalText(2)
                return (Timestamp(microseconds: try row.timestamp(1)), outcome == "finished" || outcome == "partial")
            }
        }
    }

    // MARK: Requests

    /// Whoever has requests; test endpoints have numbers of their own.
    public func tenantsWithRequests() async throws(RetentionError) -> [TenantID] {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.tenants).map { (row) throws(PostgresError) in TenantID(try row.int32(0)) }
        }
    }

    public func tenants() async throws(RetentionError) -> [Tenant] {
        try await run { (session) throws(PostgresError) in try TenantRow.all(in: session) }
    }

    /// - Parameters:
    ///   - deletes: those that were anonymised before and whose row goes.
    ///   - last: the one after which to begin; nil for the oldest.
    public func due(
        at moment: Timestamp, of tenant: TenantID, deletes: Bool, after last: DueRequest?, limit: Int
    ) async throws(RetentionError) -> [DueRequest] {
        try await run { (session) throws(PostgresError) in
            try session.execute(
                RetentionSQL.due,
                [
                    .timestamp(moment.microseconds), .int32(tenant.rawValue), .bool(deletes),
                    .timestamp(last?.requestedAt.microseconds ?? .min), .int64(last?.id.rawValue ?? 0), .int32(Int32(limit)),
                ]
            ).map { (row) throws(PostgresError) in
                DueRequest(
                    id: ServiceRequestID(stored: try row.int64(0)), requestedAt: Timestamp(microseconds: try row.timestamp(1)),
                    sequence: try row.int32(2))
            }
        }
    }

    /// Forgets the persons behind these requests.
    ///
    /// - Parameters:
    ///   - events: one for each request, written for the sequence after its own; none when the CRM is not told.
    /// - Returns: of how many; the others are held, or somebody works on them.
    public func anonymise(
        _ requests: [DueRequest], of tenant: TenantID, shard: Int16, events: [ServiceRequestEvent], run number: Int64
    ) async throws(RetentionError) -> Int {
        try await run { (session) throws(PostgresError) in
            let answers = try session.pipeline(
                [
                    (
                        RetentionSQL.anonymise,
                        [
                            .int64(number), .int32(tenant.rawValue), .int64s(requests.map(\.id.rawValue)),
                            .int32s(requests.map(\.sequence)), .int16(shard), .uuids(events.map { ($0.id.high, $0.id.low) }),
                            .text(ServiceRequestEvent.Kind.erased.rawValue), .byteStrings(events.map(\.body)),
                        ]
                    )
                ])
            if !events.isEmpty { _ = try session.execute(IngestSQL.notify) }
            return Int(try answers[0].first?.int32(0) ?? 0)
        }
    }

    /// - Returns: how many rows of requests went, with all that hung on them.
    public func delete(_ requests: [DueRequest], of tenant: TenantID, run number: Int64) async throws(RetentionError) -> Int {
        try await run { (session) throws(PostgresError) in
            Int(
                try session.execute(
                    RetentionSQL.delete,
                    [
                        .int64(number), .int32(tenant.rawValue), .int64s(requests.map(\.id.rawValue)), .int32s(requests.map(\.sequence)),
                    ]
                ).first?.int32(0) ?? 0)
        }
    }

    // MARK: The rest

    /// Goes through the next events.
    ///
    /// - Returns: where the next page begins, and how many events were looked at and emptied.
    public func emptyEvents(
        after seq: Int64, limit: Int, run number: Int64
    ) async throws(RetentionError) -> (last: Int64, seen: Int, emptied: Int) {
        try await run { (session) throws(PostgresError) in
            guard let row = try session.execute(RetentionSQL.empty, [.int64(number), .int64(seq), .int32(Int32(limit))]).first else {
                return (seq, 0, 0)
            }
            return (try row.int64(0), Int(try row.int32(1)), Int(try row.int32(2)))
        }
    }

    /// Goes through the next of what apps called their submissions.
    ///
    /// - Returns: nil at the end.
    public func deleteReferences(
        after last: (tenant: Int32, key: String), limit: Int, run number: Int64
    ) async throws(RetentionError) -> (tenant: Int32, key: String, deleted: Int)? {
        try await run { (session) throws(PostgresError) in
            guard
                let row = try session.execute(
                    RetentionSQL.references, [.int64(number), .int32(last.tenant), .text(last.key), .int32(Int32(limit))]
                ).first, try row.int32(2) > 0
            else { return nil }
            return (try row.int32(0), try row.text(1), Int(try row.int32(3)))
        }
    }

    /// Tables whose rows go by age.
    public func tablesByAge() async throws(RetentionError) -> [String] {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.rules).map { (row) throws(PostgresError) in try row.text(0) }
        }
    }

    public func expire(_ relation: String, limit: Int, run number: Int64) async throws(RetentionError) -> Int {
        try await run { (session) throws(PostgresError) in
            Int(
                try session.execute(RetentionSQL.expire, [.int64(number), .text(relation), .int32(Int32(limit))]).first?.int32(0) ?? 0)
        }
    }

    public func monthsOver(at moment: Timestamp) async throws(RetentionError) -> [RetentionMonth] {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.monthsOver, [.timestamp(moment.microseconds)]).map { (row) throws(PostgresError) in
                RetentionMonth(relation: try row.text(0), month: try row.text(1), isAttached: try row.bool(2))
            }
        }
    }

    /// Takes a month out of its table; writers wait for 50 ms at most.
    ///
    /// - Returns: false when something in it still has work before it: an event that waits, a day that is not sealed.
    public func detach(_ month: RetentionMonth, run number: Int64) async throws(RetentionError) -> Bool {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.detach, [.int64(number), .text(month.relation), .text(month.month)]).first?.bool(0) ?? false
        }
    }

    /// - Returns: how many rows went with it.
    public func drop(_ month: RetentionMonth, run number: Int64) async throws(RetentionError) -> Int64 {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.drop, [.int64(number), .text(month.relation), .text(month.month)]).first?.int64(0) ?? 0
        }
    }

    // MARK: What people look at

    /// What a run at that moment would do; nothing is changed.
    public func plan(at moment: Timestamp) async throws(RetentionError) -> [RetentionStep] {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.plan, [.timestamp(moment.microseconds)]).map { (row) throws(PostgresError) in
                RetentionStep(
                    tenant: try Self.tenant(row, 0), relation: try row.text(1), action: try row.text(2), rows: try row.int64(3),
                    oldest: Self.moment(row, 4), newest: Self.moment(row, 5), sample: row.isNull(6) ? [] : try row.texts(6))
            }
        }
    }

    /// The newest runs, newest first.
    public func runs(limit: Int) async throws(RetentionError) -> [RecordedRetentionRun] {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.runs, [.int32(Int32(limit))]).map { (row) throws(PostgresError) in
                RecordedRetentionRun(
                    number: try row.int64(0), beganAt: Timestamp(microseconds: try row.timestamp(1)),
                    clock: Timestamp(microseconds: try row.timestamp(2)), by: try row.text(3), endedAt: Self.moment(row, 4),
                    outcome: row.optionalText(5), digest: row.isNull(6) ? nil : try row.byteString(6))
            }
        }
    }

    /// What went in a run, by tenant, table and action.
    public func steps(of number: Int64) async throws(RetentionError) -> [RetentionStep] {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.entries, [.int64(number)]).map { (row) throws(PostgresError) in
                RetentionStep(
                    tenant: try Self.tenant(row, 0), relation: try row.text(1), action: try row.text(2), rows: try row.int64(3),
                    oldest: Self.moment(row, 4), newest: Self.moment(row, 5))
            }
        }
    }

    /// Entries of the ledger that are not what was written.
    public func verify() async throws(RetentionError) -> [(entry: Int64, problem: String)] {
        try await run { (session) throws(PostgresError) in
            try session.execute(RetentionSQL.verify).map { (row) throws(PostgresError) in (try row.int64(0), try row.text(1)) }
        }
    }

    private static func tenant(_ row: Row, _ column: Int) throws(PostgresError) -> TenantID? {
        let number = try row.int32(column)
        return number == 0 ? nil : TenantID(number)
    }

    private static func moment(_ row: Row, _ column: Int) -> Timestamp? {
        row.optionalTimestamp(column).map { Timestamp(microseconds: $0) }
    }
}
