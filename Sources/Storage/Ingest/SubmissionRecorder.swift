import Logging
import NIOConcurrencyHelpers
import Open311
import Postgres

/// What became of a submission that was stored.
public struct RecordedSubmission: Sendable, Equatable {
    public let id: ServiceRequestID
    /// What to answer in place of the id; nil where the id is answered at once.
    public let token: String?
    /// Whether the client had sent the same before; then `id` is the first one's.
    public let isRepetition: Bool
}

/// Stores submissions: request, personal data and event in one transaction, many submissions at a time, each with its own
/// outcome. A caller is answered after the commit, and one bad row never fails its neighbours.
public final class SubmissionRecorder: Sendable {
    /// Boxed: it is handed on several times, and copying so many strings would cost more than storing them.
    final class Item: Sendable {
        let submission: Submission
        let tenant: Tenant
        /// Written by the caller, on its own thread, when a number was at hand; else by the group.
        let events: [ServiceRequestEvent]

        init(submission: Submission, tenant: Tenant, events: [ServiceRequestEvent]) {
            self.submission = submission
            self.tenant = tenant
            self.events = events
        }
    }

    typealias Outcome = Result<RecordedSubmission, StorageError>

    private let connections: [PostgresConnection]
    private let announcer: OutboxAnnouncer
    private let batch: SubmissionBatch
    private let work: GroupedWork<Item, Outcome, PostgresConnection>

    /// - Parameters:
    ///   - configuration: of the role that may only insert.
    ///   - origin: what events say of this installation.
    public init(configuration: PostgresConfiguration, origin: ServiceRequestEvent.Origin, logger: Logger) throws {
        // One plan for groups of any size: planning anew would cost a lone caller more than the insert.
        let planned = configuration.setting("plan_cache_mode", to: "force_generic_plan")
        let connections = [try PostgresConnection(configuration: planned), try PostgresConnection(configuration: planned)]
        // A notification is a commit of its own; there is nothing in it to wait for the disk.
        let announcer = OutboxAnnouncer(
            connection: try PostgresConnection(configuration: configuration.setting("synchronous_commit", to: "off")))
        let batch = SubmissionBatch(origin: origin, numbers: NumberBlocks(), logger: logger)
        self.batch = batch
        self.connections = connections
        self.announcer = announcer
        work = GroupedWork(maximumGroup: 256, maximumWaiting: 4_096, workers: connections) { connection, items in
            let (outcomes, hints) = batch.record(items, on: connection)
            announcer.announce(hints)
            return outcomes
        }
    }

    /// Stores a submission and returns after the commit.
    ///
    /// - Throws: ``StorageError``: `conflict` when the client's reference came before with another content; `tooLarge` when its
    ///   event would be; otherwise nothing is known to be stored and the client may repeat it under the same reference.
    public func record(_ submission: Submission, tenant: Tenant) async throws(StorageError) -> RecordedSubmission {
        let item = Item(submission: submission, tenant: tenant, events: batch.events(of: submission, tenant: tenant))
        guard let outcome = await work.submit(item) else { throw StorageError(.overloaded) }
        return try outcome.get()
    }

    public func close() async {
        for connection in connections { await connection.close() }
        await announcer.close()
    }
}

/// Tells relays that there is work, after the commit and on a connection of its own: a NOTIFY inside the transaction would
/// serialise all committers. At most one is under way; what comes meanwhile is told by the next.
private final class OutboxAnnouncer: Sendable {
    private let connection: PostgresConnection
    private let state = NIOLockedValueBox((isRunning: false, again: false, hints: [OutboxHint]()))
    /// More would take longer to tell than to find.
    private static let maximumHints = 4_096

    init(connection: PostgresConnection) { self.connection = connection }

    func announce(_ hints: [OutboxHint]) {
        let starts = state.withLockedValue { state in
            state.hints += hints.prefix(Self.maximumHints - state.hints.count)
            if state.isRunning {
                state.again = true
                return false
            }
            state.isRunning = true
            return true
        }
        if starts { Task { await run() } }
    }

    private func run() async {
        repeat {
            let payloads = OutboxHint.payloads(
                state.withLockedValue { state in
                    defer { state.hints = [] }
                    return state.hints
                })
            // A lost hint costs a relay's poll, nothing else.
            try? await connection.run { (session) throws(PostgresError) in
                _ = try session.execute(IngestSQL.hint, [.texts(payloads)])
            }
        } while state.withLockedValue { state in
            defer {
                state.isRunning = state.again
                state.again = false
            }
            return state.again
        }
    }

    func close() async { await connection.close() }
}
