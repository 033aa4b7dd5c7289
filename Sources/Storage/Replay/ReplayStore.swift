import Open311
import Postgres

/// Jobs that send stored events again, with the ids and the bytes they were first sent with. The relay publishes them after what
/// it is at, each with the job's number in its header `x-o311-replay`.
///
/// A job is a row with a cursor that moves in the transaction which queues events: whoever goes on with a job that was cut queues
/// nothing twice and leaves nothing out.
public final class ReplayStore: Sendable {
    private let connection: PostgresConnection

    /// - Parameter configuration: of the administration role.
    public init(configuration: PostgresConfiguration) throws { connection = try PostgresConnection(configuration: configuration) }

    public func close() async { await connection.close() }

    /// Keeps a job; nothing is sent yet.
    ///
    /// - Parameter who: the operator, for the record.
    public func create(_ selection: ReplaySelection, of tenant: TenantID, by who: String) async throws(StorageError) -> Int64 {
        try await run { (session) throws(PostgresError) in try Self.insert(selection, tenant, who, session) }
    }

    /// How many events a selection holds, their bytes, and what is left out; nothing is kept.
    public func count(_ selection: ReplaySelection, of tenant: TenantID) async throws(StorageError) -> ReplayExtent {
        try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                let job = try Self.insert(selection, tenant, "dry run", session)
                let extent = try Self.extent(of: job, session)
                _ = try session.execute(ReplaySQL.delete, [.int64(job)])
                return extent
            }
        }
    }

    /// What a job has still to send.
    public func rest(of job: Int64) async throws(StorageError) -> ReplayExtent {
        try await run { (session) throws(PostgresError) in try Self.extent(of: job, session) }
    }

    /// - Returns: nil when there is no such job.
    public func job(_ id: Int64) async throws(StorageError) -> ReplayJob? {
        try await run { (session) throws(PostgresError) in
            guard let row = try session.execute(ReplaySQL.find, [.int64(id)]).first else { return nil }
            return ReplayJob(
                id: try row.int64(0), tenant: TenantID(try row.int32(1)), queued: try row.int64(10),
                finishedAt: row.optionalTimestamp(11).map { Timestamp(microseconds: $0) })
        }
    }

    /// Hands the next events of a job to the relay.
    ///
    /// - Parameter count: at most so many, in one transaction.
    public func step(_ job: Int64, count: Int) async throws(StorageError) -> ReplayProgress {
        try await run { (session) throws(PostgresError) in
            let answers = try session.pipeline([(ReplaySQL.step, [.int64(job), .int32(Int32(clamping: count))]), (IngestSQL.notify, [])])
            guard let row = answers[0].first else { throw PostgresError(.decoding, detail: "no progress came back") }
            return ReplayProgress(queued: try row.int64(1), isDone: try row.bool(2))
        }
    }

    /// The events that a job has handed over.
    public func queuedEvents(of job: Int64) async throws(StorageError) -> Set<EventID> {
        try await run { (session) throws(PostgresError) in
            Set(
                try session.execute(ReplaySQL.queued, [.int64(job)]).map { (row) throws(PostgresError) in
                    let uuid = try row.uuid(0)
                    return EventID(high: uuid.high, low: uuid.low)
                })
        }
    }

    /// Writes what an operator did to messages into the record.
    ///
    /// - Parameter detail: ids and counts, never content.
    public func record(_ what: String, by who: String, of tenant: TenantID?, detail: String) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(
                ReplaySQL.act, [.text(who), .text(what), tenant.map { .int32($0.rawValue) } ?? .null, .text(detail)])
        }
    }

    /// Takes the right to hold a tenant's dead letters, or with nil those of the installation's own queues, until the store is closed. The
    /// watch has it for a moment now and then: it is waited for three seconds.
    ///
    /// - Returns: false while somebody else has it.
    public func takeDeadLetters(of tenant: TenantID?) async throws(StorageError) -> Bool {
        try await run { (session) throws(PostgresError) in
            do throws(PostgresError) {
                try session.transaction { (session) throws(PostgresError) in
                    try session.script("set local lock_timeout = '3s'")
                    _ = try session.execute(ReplaySQL.awaitDeadLetters, [.int32(tenant?.rawValue ?? 0)])
                }
                return true
            } catch {
                guard error.sqlState == "55P03" else { throw error }
                return false
            }
        }
    }

    func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await connection.run(body) }
    }

    private static func insert(
        _ selection: ReplaySelection, _ tenant: TenantID, _ who: String, _ session: Session
    ) throws(PostgresError) -> Int64 {
        let row = try session.execute(
            ReplaySQL.insert,
            [
                .int32(tenant.rawValue), .text(who), .timestamp(selection.from.microseconds), .timestamp(selection.to.microseconds),
                .text(selection.service), selection.status.map { .bool($0 == .open) } ?? .null, .int64(selection.request?.rawValue),
                selection.events.map { .uuids($0.map { ($0.high, $0.low) }) } ?? .null,
            ]
        ).first
        guard let row else { throw PostgresError(.decoding, detail: "no job came back") }
        return try row.int64(0)
    }

    private static func extent(of job: Int64, _ session: Session) throws(PostgresError) -> ReplayExtent {
        let answers = try session.pipeline([(ReplaySQL.rest, [.int64(job)]), (ReplaySQL.leftOut, [.int64(job)])])
        guard let rest = answers[0].first, let leftOut = answers[1].first else {
            throw PostgresError(.decoding, detail: "no count came back")
        }
        return ReplayExtent(
            events: try rest.int64(0), bytes: try rest.int64(1),
            leftOut: ReplayExtent.LeftOut(emptied: try leftOut.int64(0), erased: try leftOut.int64(1)))
    }
}
