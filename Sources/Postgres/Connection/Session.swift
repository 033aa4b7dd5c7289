import CLibpq
import ConnectionThread

/// One libpq connection, used synchronously on the thread of its ``PostgresConnection``. Every wait has a deadline; after an
/// error that ends the connection the session is thrown away.
public final class Session {
    private let connection: OpaquePointer
    private let configuration: PostgresConfiguration
    private var prepared: Set<String> = []
    private var plansBegan = ContinuousClock.now
    /// Set by libpq's notices, which arrive while an answer is read.
    private let notices: UnsafeMutablePointer<Notices>

    /// What the server said beside its answers.
    private struct Notices { var isUnreplicated = false }

    init(connecting configuration: PostgresConfiguration) throws(PostgresError) {
        self.configuration = configuration
        connection = try Session.connect(configuration)
        notices = .allocate(capacity: 1)
        notices.initialize(to: Notices())
        // By default notices go to standard error, past the log, and may quote data.
        PQsetNoticeReceiver(connection, { Session.notice($0, $1) }, notices)
        PQsetnonblocking(connection, 1)
        // Zero would mean no limit at all.
        let milliseconds = max(1, Int64(configuration.statementTimeout / .milliseconds(1)))
        let own = configuration.sessionSettings.map { "; set \($0.key) = \($0.value)" }.sorted().joined()
        try script("set statement_timeout = \(milliseconds); set client_min_messages = warning; set time zone 'UTC'" + own)
    }

    deinit {
        PQfinish(connection)
        notices.deallocate()
    }

    /// A commit whose waiting for the standby somebody cancels is answered with success and a warning, whose text is in the server's
    /// language; the name of the function that gave it is not.
    private static func notice(_ notices: UnsafeMutableRawPointer?, _ result: OpaquePointer?) {
        // 'R' is PG_DIAG_SOURCE_FUNCTION: a character macro that Swift does not import.
        guard let field = PQresultErrorField(result, Int32(UInt8(ascii: "R"))), String(cString: field) == "SyncRepWaitForLSN"
        else { return }
        notices?.assumingMemoryBound(to: Notices.self).pointee.isUnreplicated = true
    }

    /// - Throws: when what was just committed is on this server only, though its standby was to have it too: who believed it would
    ///   miss it after the next failover.
    private func checkReplicated(_ statement: Statement?) throws(PostgresError) {
        guard notices.pointee.isUnreplicated else { return }
        notices.pointee.isUnreplicated = false
        throw PostgresError(.timeout, statement: statement?.name, detail: "committed, but no standby has confirmed it")
    }

    private static func connect(_ configuration: PostgresConfiguration) throws(PostgresError) -> OpaquePointer {
        let hosts = (try? ConnectionParameters(parsing: configuration.connectionString))?.hosts ?? [[:]]
        guard hosts.count > 1 else {
            return try connect(configuration, to: [:], by: .after(configuration.connectTimeout), configuration.connectTimeout)
        }
        return try ServerChoice(configuration, hosts).connect()
    }

    /// - Parameter host: wins over what the connection string says; empty for the string as it is.
    static func connect(
        _ configuration: PostgresConfiguration, to host: [String: String], by deadline: Deadline, _ limit: Duration
    ) throws(PostgresError) -> OpaquePointer {
        // The connection string is expanded as "dbname", so that it may be a URI or key=value pairs; our own keys are defaults
        // for dead peers: a vanished server is noticed by the kernel, not by a citizen. What follows wins over the string.
        let keywords = [
            "fallback_application_name", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
            "client_encoding",
            "dbname",
        ]
        let values = [configuration.applicationName, "10", "5", "3", "20000", "UTF8", configuration.connectionString]
        let own = host.sorted { $0.key < $1.key }
        let started = withCStrings(keywords + own.map(\.key)) { keywords in
            withCStrings(values + own.map(\.value)) { PQconnectStartParams(keywords, $0, 1) }
        }
        guard let connection = started else { throw PostgresError(.cannotConnect, detail: "out of memory") }
        PQsetNoticeProcessor(connection, { _, _ in }, nil)
        do throws(PostgresError) {
            try finishConnecting(connection, by: deadline, limit)
        } catch {
            PQfinish(connection)
            throw error
        }
        return connection
    }

    private static func finishConnecting(_ connection: OpaquePointer, by deadline: Deadline, _ limit: Duration) throws(PostgresError) {
        guard PQstatus(connection) != CONNECTION_BAD else { throw cannotConnect(connection) }
        var step = PGRES_POLLING_WRITING
        while step != PGRES_POLLING_OK {
            guard step != PGRES_POLLING_FAILED else { throw cannotConnect(connection) }
            let outcome = ConnectionThread.wait(
                for: PQsocket(connection), readable: step == PGRES_POLLING_READING, writable: step == PGRES_POLLING_WRITING,
                until: deadline)
            guard outcome != .deadlinePassed else { throw PostgresError(.cannotConnect, detail: "no answer within \(limit)") }
            step = PQconnectPoll(connection)
        }
    }

    private static func cannotConnect(_ connection: OpaquePointer) -> PostgresError {
        PostgresError(.cannotConnect, detail: String(cString: PQerrorMessage(connection)))
    }

    /// The socket, for waiting on notifications.
    var descriptor: Int32 { PQsocket(connection) }

    // MARK: Statements

    /// Has the server plan this session's statements anew when their plans may be older than that; not inside a transaction.
    ///
    /// A plan that is made while a table is empty goes through all of it, and is kept while the table grows, until statistics are gathered
    /// a minute later. The planner itself looks at the table's size each time that it plans.
    public func renewPlans(after age: Duration) throws(PostgresError) {
        guard plansBegan.duration(to: .now) >= age else { return }
        try script("discard plans")
        plansBegan = .now
    }

    /// Runs one statement as its own transaction, or inside the open one.
    public func execute(_ statement: Statement, _ parameters: [Parameter] = []) throws(PostgresError) -> Rows {
        let deadline = self.deadline
        try prepare(statement, by: deadline)
        try send(statement, parameters)
        try flush(by: deadline)
        return try rows(of: statement, by: deadline)
    }

    /// Runs several statements in one round trip and, outside a transaction, as one transaction: all or none.
    ///
    /// - Returns: each statement's rows, in order.
    public func pipeline(_ steps: [(statement: Statement, parameters: [Parameter])]) throws(PostgresError) -> [Rows] {
        let deadline = self.deadline
        for step in steps { try prepare(step.statement, by: deadline) }
        guard PQenterPipelineMode(connection) == 1 else { throw lost(nil) }
        for step in steps { try send(step.statement, step.parameters) }
        guard PQpipelineSync(connection) == 1 else { throw lost(nil) }
        try flush(by: deadline)
        var answers: [Rows] = []
        var failure: PostgresError?
        for step in steps {
            do {
                answers.append(try rows(of: step.statement, by: deadline))
            } catch {
                if error.endsConnection { throw error }
                // What follows the first error is only "aborted".
                failure = failure ?? error
            }
        }
        let sync = try nextResult(by: deadline, nil)
        PQclear(sync)
        guard PQexitPipelineMode(connection) == 1 else { throw lost(nil) }
        if let failure { throw failure }
        try checkReplicated(nil)
        return answers
    }

    /// Runs the body between `begin` and `commit`; an error rolls back, one that the body passed over too.
    public func transaction<Value>(_ body: (Session) throws(PostgresError) -> Value) throws(PostgresError) -> Value {
        try script("begin")
        let value: Value
        do {
            value = try body(self)
        } catch {
            if !error.endsConnection { try rollback() }
            throw error
        }
        // PostgreSQL would answer this commit with a rollback, and call it a success.
        guard PQtransactionStatus(connection) != PQTRANS_INERROR else {
            try rollback()
            throw PostgresError(.refused, sqlState: "25P02", detail: "a statement of the transaction failed and its error was passed over")
        }
        try script("commit")
        return value
    }

    /// - Throws: only when the session must be given up: it would go on inside the transaction.
    private func rollback() throws(PostgresError) {
        do {
            try script("rollback")
        } catch  where !error.endsConnection {
            throw lost(nil)
        }
    }

    /// Runs SQL text of ours (migrations, `listen`): several statements, no parameters, no rows. Without an explicit
    /// transaction inside, all of it is one.
    public func script(_ sql: String, within limit: Duration? = nil) throws(PostgresError) {
        let deadline = limit.map { Deadline.after($0) } ?? self.deadline
        guard PQsendQuery(connection, sql) == 1 else { throw lost(nil) }
        try flush(by: deadline)
        var failure: PostgresError?
        while let result = try nextResult(by: deadline, nil) {
            if let error = error(in: result, nil) { failure = failure ?? error }
            PQclear(result)
        }
        if let failure { throw failure }
        try checkReplicated(nil)
    }

    /// The notifications that have arrived, without waiting.
    ///
    /// - Throws: when the connection is gone.
    func takeNotifications() throws(PostgresError) -> [Notification] {
        guard PQconsumeInput(connection) == 1, PQstatus(connection) == CONNECTION_OK else { throw lost(nil) }
        var notifications: [Notification] = []
        while let notification = PQnotifies(connection) {
            notifications.append(
                Notification(channel: String(cString: notification.pointee.relname), payload: String(cString: notification.pointee.extra)))
            PQfreemem(notification)
        }
        return notifications
    }

    // MARK: The protocol, step by step

    /// A little more than the server's own limit, so that its answer can still arrive.
    private var deadline: Deadline { .after(configuration.statementTimeout + .seconds(2)) }

    private func prepare(_ statement: Statement, by deadline: Deadline) throws(PostgresError) {
        guard !prepared.contains(statement.name) else { return }
        guard PQsendPrepare(connection, statement.name, statement.sql, 0, nil) == 1 else { throw lost(statement) }
        try flush(by: deadline)
        _ = try rows(of: statement, by: deadline)
        prepared.insert(statement.name)
    }

    private func send(_ statement: Statement, _ parameters: [Parameter]) throws(PostgresError) {
        let encoded = ParameterBytes(parameters)
        let lengths = encoded.spans.map { Int32(max($0.length, 0)) }
        let formats = [Int32](repeating: 1, count: lengths.count)
        let sent = encoded.bytes.withUnsafeBufferPointer { buffer in
            // An empty value is still a value: any address that is not null will do.
            let base = UnsafeRawPointer(buffer.baseAddress) ?? UnsafeRawPointer(bitPattern: 1)
            let values = encoded.spans.map { span -> UnsafePointer<CChar>? in
                span.length < 0 ? nil : base.map { ($0 + span.start).assumingMemoryBound(to: CChar.self) }
            }
            return PQsendQueryPrepared(connection, statement.name, Int32(values.count), values, lengths, formats, 1)
        }
        guard sent == 1 else { throw lost(statement) }
    }

    private func flush(by deadline: Deadline) throws(PostgresError) {
        while true {
            switch PQflush(connection) {
            case 0: return
            case 1:
                // Reading while writing: with both buffers full, neither side would ever move.
                let outcome = ConnectionThread.wait(for: PQsocket(connection), readable: true, writable: true, until: deadline)
                guard outcome != .deadlinePassed else { throw timeout(nil) }
                if case .ready(readable: true, writable: _) = outcome, PQconsumeInput(connection) == 0 { throw lost(nil) }
            default: throw lost(nil)
            }
        }
    }

    /// The single result of a statement and the null that ends it.
    private func rows(of statement: Statement, by deadline: Deadline) throws(PostgresError) -> Rows {
        guard let result = try nextResult(by: deadline, statement) else { throw lost(statement) }
        let rows = Rows(owning: result)
        let failure = error(in: result, statement)
        if let end = try nextResult(by: deadline, statement) {
            PQclear(end)
            throw lost(statement)
        }
        if let failure { throw failure }
        if PQpipelineStatus(connection) == PQ_PIPELINE_OFF { try checkReplicated(statement) }
        return rows
    }

    private func nextResult(by deadline: Deadline, _ statement: Statement?) throws(PostgresError) -> OpaquePointer? {
        while PQisBusy(connection) == 1 {
            guard ConnectionThread.wait(for: PQsocket(connection), readable: true, writable: false, until: deadline) != .deadlinePassed
            else { throw timeout(statement) }
            guard PQconsumeInput(connection) == 1 else { throw lost(statement) }
        }
        return PQgetResult(connection)
    }

    private func error(in result: OpaquePointer, _ statement: Statement?) -> PostgresError? {
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: return nil
        case PGRES_PIPELINE_ABORTED: return PostgresError(.refused, statement: statement?.name, detail: "an earlier statement failed")
        default:
            guard PQstatus(connection) == CONNECTION_OK || PQresultErrorField(result, Int32(Character("C").asciiValue ?? 67)) != nil else {
                return lost(statement)
            }
            // 'C' is PG_DIAG_SQLSTATE, 'M' is PG_DIAG_MESSAGE_PRIMARY: character macros that Swift does not import.
            let field = { (code: UInt8) in PQresultErrorField(result, Int32(code)).map { String(cString: $0) } }
            return PostgresError(
                .refused, sqlState: field(UInt8(ascii: "C")), statement: statement?.name,
                detail: field(UInt8(ascii: "M")) ?? String(cString: PQresultErrorMessage(result)))
        }
    }

    private func lost(_ statement: Statement?) -> PostgresError {
        PostgresError(.connectionLost, statement: statement?.name, detail: String(cString: PQerrorMessage(connection)))
    }

    private func timeout(_ statement: Statement?) -> PostgresError {
        PostgresError(.timeout, statement: statement?.name, detail: "no answer within \(configuration.statementTimeout)")
    }
}

/// Calls `body` with a null-terminated array of C strings that lives as long as the call.
private func withCStrings<Result>(_ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result) -> Result {
    var bytes: [CChar] = []
    var offsets: [Int] = []
    for string in strings {
        offsets.append(bytes.count)
        bytes.append(contentsOf: string.utf8.lazy.map { CChar(bitPattern: $0) })
        bytes.append(0)
    }
    return bytes.withUnsafeBufferPointer { buffer in
        var pointers: [UnsafePointer<CChar>?] = offsets.map { offset in buffer.baseAddress.map { $0 + offset } }
        pointers.append(nil)
        return pointers.withUnsafeBufferPointer { list in
            // Never empty: the terminating null is in it.
            guard let base = list.baseAddress else { return body(UnsafePointer(UnsafeMutablePointer.allocate(capacity: 1))) }
            return body(base)
        }
    }
}
