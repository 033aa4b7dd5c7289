import Foundation
import Postgres
import PrivateServers
import Testing

/// A private PostgreSQL, started once before the suite's first test and stopped after its last.
struct SharedPostgreSQLTrait: SuiteTrait, TestScoping {
    /// The server of the tests that run now.
    @TaskLocal static var server: PrivatePostgreSQL?

    func provideScope(for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "bus311-test-\(UInt64.random(in: 0 ... .max))")
        defer { try? FileManager.default.removeItem(at: directory) }
        let server = PrivatePostgreSQL(directory: directory, port: try Self.freePort())
        try await server.start()
        let result: Result<Void, any Error>
        do {
            try await Self.$server.withValue(server, operation: body)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await server.stop()
        try result.get()
    }

    private static func freePort() throws -> Int {
        for _ in 0..<100 {
            let plan = try PortPlan(base: Int.random(in: 20_000...32_000))
            if (try? plan.checkFree()) != nil { return plan.postgresql }
        }
        throw NoFreePorts()
    }

    private struct NoFreePorts: Error {}
}

/// Everything that needs a real server. One test at a time: some freeze or kill it.
@Suite("With a real PostgreSQL", SharedPostgreSQLTrait(), .serialized, .timeLimit(.minutes(3)))
struct WithPostgreSQL {}

/// A connection of the test's own to the shared server.
func withConnection(
    statementTimeout: Duration = .seconds(15),
    _ body: (PostgresConnection, PrivatePostgreSQL) async throws -> Void
) async throws {
    let server = try #require(SharedPostgreSQLTrait.server)
    let connection = try PostgresConnection(configuration: try configuration(server, statementTimeout: statementTimeout))
    let result: Result<Void, any Error>
    do {
        try await body(connection, server)
        result = .success(())
    } catch {
        result = .failure(error)
    }
    await connection.close()
    try result.get()
}

func configuration(_ server: PrivatePostgreSQL, statementTimeout: Duration = .seconds(15)) throws -> PostgresConfiguration {
    PostgresConfiguration(
        connectionString: try server.uri(), applicationName: "postgres-tests", connectTimeout: .seconds(5),
        statementTimeout: statementTimeout)
}

extension PostgresConnection {
    /// One statement's rows, copied out.
    func rows<Value: Sendable>(
        _ statement: Statement,
        _ parameters: [Parameter] = [],
        _ transform: @Sendable (Row) throws(PostgresError) -> Value
    ) throws(PostgresError) -> [Value] {
        try run { (session) throws(PostgresError) in try session.execute(statement, parameters).map(transform) }
    }

    func script(_ sql: String) throws(PostgresError) {
        try run { (session) throws(PostgresError) in try session.script(sql) }
    }

    /// The process of the server that serves this connection.
    func serverProcess() throws(PostgresError) -> Int32 {
        try rows(Statement("pid", "select pg_backend_pid()")) { (row) throws(PostgresError) in try row.int32(0) }.first ?? 0
    }
}

/// The error that an operation must end with.
func failure<Value>(_ operation: () async throws(PostgresError) -> Value) async throws -> PostgresError {
    do {
        _ = try await operation()
    } catch {
        return error
    }
    throw Unexpected(description: "succeeded where an error was expected")
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String
}

/// Waits until a condition holds; records an issue when it does not within the time.
func eventually(within limit: Duration = .seconds(60), _ what: Comment, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now.advanced(by: limit)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record(what)
            return
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}
