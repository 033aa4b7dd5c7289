import Logging
import NIOConcurrencyHelpers
import Open311
import Postgres

/// Writes calls down behind the answers, many in one statement. Never lost silently: when too many wait, callers wait too; what is
/// given up after that is counted, logged, and leaves a gap in the process's numbers.
///
/// What a kill takes: the rows of the last quarter of a second (``interval``), and those that a database which was away could not
/// take. What a crash of the database's machine takes: about the last second, because these commits do not wait for the disk.
public final class AuditRecorder: Sendable {
    /// What has happened since the last time it was told.
    public struct Progress: Sendable {
        /// Calls written, by direction.
        public let written: [AuditDirection: Int]
        /// Rows given up.
        public let lost: Int
        /// Times that a caller had to wait.
        public let slowed: Int
        /// Rows that wait now.
        public let waiting: Int
        /// Of the last writing; nil when there was none.
        public let duration: Duration?
    }

    private struct State {
        var buffer: AuditBuffer
        var slowed = 0
        var toldLost: Int64 = 0
        var toldFull: ContinuousClock.Instant?
    }

    private let connection: PostgresConnection
    private let service: String
    private let logger: Logger
    private let report: @Sendable (Progress) -> Void
    private let capacity: Int
    private let state: NIOLockedValueBox<State>

    static let interval = Duration.milliseconds(250)
    /// Rows of one statement.
    static let group = 2_048
    /// How long a caller waits for room before its row is given up.
    private static let patience = Duration.seconds(5)
    /// How long what is left is tried to be written at a stop.
    private static let lastWords = Duration.seconds(15)

    /// - Parameters:
    ///   - configuration: of any service's role.
    ///   - service: as it is called in the list of writers.
    ///   - capacity: rows that may wait.
    ///   - report: told after each writing.
    public init(
        configuration: PostgresConfiguration, service: String, logger: Logger, capacity: Int = 32_768,
        report: @escaping @Sendable (Progress) -> Void = { _ in }
    ) throws {
        // One plan for groups of any size; nobody waits for the disk.
        connection = try PostgresConnection(
            configuration: configuration.setting("plan_cache_mode", to: "force_generic_plan").setting("synchronous_commit", to: "off"))
        self.service = service
        self.capacity = capacity
        self.logger = logger
        self.report = report
        state = NIOLockedValueBox(State(buffer: AuditBuffer(capacity: capacity)))
    }

    /// Takes a call in; returns at once while there is room.
    ///
    /// - Parameter mayMerge: whether it may be counted together with equal ones in a flood.
    public func record(_ entry: AuditEntry, mayMerge: Bool = false) async {
        if take(entry, mayMerge) { return }
        state.withLockedValue { $0.slowed += 1 }
        tellFull()
        let limit = ContinuousClock.now.advanced(by: Self.patience)
        while ContinuousClock.now < limit {
            do { try await Task.sleep(for: .milliseconds(20)) } catch { break }
            if take(entry, mayMerge) { return }
        }
        state.withLockedValue { $0.buffer.giveUp() }
    }

    private func take(_ entry: AuditEntry, _ mayMerge: Bool) -> Bool {
        state.withLockedValue { $0.buffer.add(entry, mayMerge: mayMerge) }
    }

    private func tellFull() {
        let isNews = state.withLockedValue { state in
            if let told = state.toldFull, told.duration(to: .now) < .seconds(10) { return false }
            state.toldFull = .now
            return true
        }
        if isNews { logger.warning("the audit's buffer is full: callers wait", metadata: ["rows": "\(capacity)"]) }
    }

    /// Writes until the task is cancelled; then writes what is left and says that nothing more comes.
    public func run() async {
        var writer: Int32?
        var seen = ContinuousClock.now
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.interval)
            await flush(&writer)
            if seen.duration(to: .now) > .seconds(10) {
                await tell(writer, ends: false)
                seen = .now
            }
        }
        let limit = ContinuousClock.now.advanced(by: Self.lastWords)
        while state.withLockedValue({ $0.buffer.waiting > 0 }), ContinuousClock.now < limit {
            await flush(&writer)
            // The task is cancelled already, so that its own sleep would end at once.
            await Task.detached { try? await Task.sleep(for: .milliseconds(50)) }.value
        }
        let left = state.withLockedValue { $0.buffer.waiting }
        if left > 0 { logger.error("calls not audited: the database was away at the end", metadata: ["rows": "\(left)"]) }
        await tell(writer, ends: left == 0)
        await connection.close()
    }

    /// Writes what waits; what the database cannot take now stays.
    private func flush(_ writer: inout Int32?) async {
        repeat {
            do {
                if writer == nil, state.withLockedValue({ $0.buffer.waiting > 0 }) { writer = try await begin() }
            } catch {
                return
            }
            guard let writer else { return }
            let rows = state.withLockedValue { $0.buffer.take(Self.group) }
            let start = ContinuousClock.now
            if !rows.isEmpty { await write(rows, writer) }
            tell(rows, rows.isEmpty ? nil : start.duration(to: .now))
        } while state.withLockedValue { $0.buffer.waiting } >= Self.group
    }

    private func begin() async throws(StorageError) -> Int32 {
        let service = self.service
        return try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                guard let row = try session.execute(AuditSQL.begin, [.text(service)]).first else {
                    throw PostgresError(.decoding, detail: "no number for a writer")
                }
                return try row.int32(0)
            }
        }
    }

    /// Until they are written or refused: they have left the buffer, and a full buffer is what makes others wait.
    private func write(_ rows: [AuditBuffer.Row], _ writer: Int32) async {
        let limit = ContinuousClock.now.advanced(by: Self.lastWords)
        while true {
            do {
                let parameters = AuditSQL.parameters(rows, writer: writer)
                try await connection.run { (session) throws(PostgresError) in _ = try session.execute(AuditSQL.add, parameters) }
                state.withLockedValue { $0.buffer.done(rows.count) }
                return
            } catch {
                guard error.isRetriable, !Task.isCancelled || .now < limit else {
                    return await giveUp(rows, writer, error, mayHalve: !error.isRetriable)
                }
                logger.warning("audit not written, tried again", metadata: ["rows": "\(rows.count)", "error": "\(error)"])
                await Task.detached { try? await Task.sleep(for: .milliseconds(500)) }.value
            }
        }
    }

    /// One of them is refused: each half alone shows which.
    private func giveUp(_ rows: [AuditBuffer.Row], _ writer: Int32, _ error: PostgresError, mayHalve: Bool) async {
        if mayHalve, rows.count > 1 {
            await write(Array(rows[..<(rows.count / 2)]), writer)
            await write(Array(rows[(rows.count / 2)...]), writer)
            return
        }
        logger.error("calls not audited", metadata: ["rows": "\(rows.count)", "error": "\(error)"])
        state.withLockedValue {
            $0.buffer.done(rows.count)
            $0.buffer.giveUp(refused: rows.count)
        }
    }

    private func tell(_ rows: [AuditBuffer.Row], _ duration: Duration?) {
        let (lost, slowed, waiting) = state.withLockedValue { state -> (Int64, Int, Int) in
            defer {
                state.toldLost = state.buffer.lost
                state.slowed = 0
            }
            return (state.buffer.lost - state.toldLost, state.slowed, state.buffer.waiting)
        }
        if lost > 0 { logger.error("calls not audited: the buffer was full for too long", metadata: ["rows": "\(lost)"]) }
        let written = rows.reduce(into: [AuditDirection: Int]()) { $0[$1.entry.direction, default: 0] += $1.entry.calls }
        report(Progress(written: written, lost: Int(lost), slowed: slowed, waiting: waiting, duration: duration))
    }

    private func tell(_ writer: Int32?, ends: Bool) async {
        guard let writer else { return }
        let (last, lost) = state.withLockedValue { ($0.buffer.lastWritten, $0.buffer.lost) }
        try? await connection.run { (session) throws(PostgresError) in
            _ = try session.execute(AuditSQL.seen, [.int32(writer), .int64(last), .int64(lost), .bool(ends)])
        }
    }
}
