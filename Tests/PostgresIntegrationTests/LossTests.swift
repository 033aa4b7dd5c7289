import NIOConcurrencyHelpers
import Postgres
import PrivateServers
import Testing

extension WithPostgreSQL {
    /// The server goes away, stands still, comes back.
    @Suite("A connection that is lost")
    struct LossTests {
        @Test("fails what is under way, and heals with the next call")
        func terminated() async throws {
            try await withConnection { connection, server in
                let process = try await connection.serverProcess()
                async let sleeping = failure { () async throws(PostgresError) in
                    try await connection.rows(Statement("sleep", "select pg_sleep(20)")) { $0.isNull(0) }
                }
                try await terminate(process, on: server)
                let error = try await sleeping
                #expect(error.isRetriable)
                let next = try await connection.serverProcess()
                #expect(next != process)
            }
        }

        @Test("while idle is noticed by the next call at the latest")
        func terminatedIdle() async throws {
            try await withConnection { connection, server in
                let process = try await connection.serverProcess()
                try await terminate(process, on: server)
                _ = try? await connection.serverProcess()
                #expect(try await connection.serverProcess() != process)
            }
        }

        @Test("heals by itself after the server was killed; meanwhile calls fail at once")
        func killed() async throws {
            try await withConnection { connection, server in
                _ = try await connection.serverProcess()
                await server.kill9()
                let start = ContinuousClock.now
                for _ in 0..<50 {
                    let error = try await failure { () async throws(PostgresError) in try await connection.serverProcess() }
                    #expect(error.isRetriable)
                }
                #expect(start.duration(to: .now) < .seconds(20), "less than waiting for the server 50 times")
                try await server.start()
                try await eventually("it is back") { (try? await connection.serverProcess()) != nil }
            }
        }

        @Test("to a server that stands still is given up after the limit, and a new one cannot be made meanwhile")
        func frozen() async throws {
            try await withConnection(statementTimeout: .seconds(2)) { connection, server in
                let process = try await connection.serverProcess()
                try signal(process, "STOP")
                let start = ContinuousClock.now
                let error = try await failure { () async throws(PostgresError) in try await connection.serverProcess() }
                #expect(error.kind == .timeout && error.isRetriable)
                #expect(start.duration(to: .now) < .seconds(15))
                // Only that process stands still: the next call gets another one.
                #expect(try await connection.serverProcess() != process)
                await server.freeze()
                let fresh = try PostgresConnection(configuration: try configuration(server))
                let refusal = try await failure { () async throws(PostgresError) in try await fresh.serverProcess() }
                await server.thaw()
                try signal(process, "CONT")
                #expect(refusal.kind == .cannotConnect)
                try await eventually("it connects") { (try? await fresh.serverProcess()) != nil }
                await fresh.close()
            }
        }

        @Test("in the middle of a transaction leaves nothing of it")
        func insideTransaction() async throws {
            try await withConnection { connection, server in
                try await connection.script("drop table if exists lost; create table lost (id integer)")
                let error = try await failure { () async throws(PostgresError) in
                    try await connection.run { (session) throws(PostgresError) in
                        try session.transaction { (session) throws(PostgresError) in
                            try session.script("insert into lost values (1)")
                            try session.script("select pg_terminate_backend(pg_backend_pid())")
                        }
                    }
                }
                #expect(error.isRetriable)
                #expect(try await connection.rows(Statement("left", "select id from lost")) { $0.isNull(0) }.isEmpty)
            }
        }

        @Test("closed by ourselves stays closed")
        func closed() async throws {
            try await withConnection { connection, _ in
                _ = try await connection.serverProcess()
                await connection.close()
                let error = try await failure { () async throws(PostgresError) in try await connection.serverProcess() }
                #expect(error.kind == .closed && !error.isRetriable)
            }
        }

        @Test("that listens says so, whoever notices it first, and listening again works", arguments: [false, true])
        func listening(byCall: Bool) async throws {
            try await withConnection { connection, server in
                let heard = NIOLockedValueBox<[String?]>([])
                try await connection.listen(to: ["news", "more"]) { told in heard.withLockedValue { $0.append(told?.channel) } }
                try await withConnection { other, _ in
                    for channel in ["news", "elsewhere", "more", "news"] { try await other.script("notify \(channel)") }
                }
                try await eventually("three came") { heard.withLockedValue { $0 } == ["news", "more", "news"] }
                // Only what the connection itself is about, not the server's log, tells who was first: the call, when it is under way.
                if byCall {
                    _ = try? await connection.rows(Statement("die", "select pg_terminate_backend(pg_backend_pid())")) { $0.isNull(0) }
                } else {
                    let process = try await connection.serverProcess()
                    try await terminate(process, on: server)
                }
                try await eventually("the loss was told") { heard.withLockedValue { $0.last } == .some(nil) }
                #expect(heard.withLockedValue { $0.count(where: { $0 == nil }) } == 1)
                try await connection.listen(to: ["news"]) { told in heard.withLockedValue { $0.append(told?.payload) } }
                try await withConnection { other, _ in try await other.script("notify news, '3:12:7'") }
                try await eventually("it listens again") { heard.withLockedValue { $0.last } == "3:12:7" }
            }
        }

        func terminate(_ process: Int32, on server: PrivatePostgreSQL) async throws {
            try await withConnection { other, _ in
                let gone = Statement("gone", "select not exists (select from pg_stat_activity where pid = $1::integer)")
                let end = Statement("terminate", "select pg_terminate_backend($1::integer)")
                _ = try await other.rows(end, [.int32(process)]) { $0.isNull(0) }
                try await eventually("the process is gone") {
                    try await other.rows(gone, [.int32(process)]) { (row) throws(PostgresError) in try row.bool(0) } == [true]
                }
            }
        }
    }
}
