import Postgres
import PrivateServers
import Testing

extension WithPostgreSQL {
    /// Statements one by one, together, and what is left of them when one fails.
    @Suite("A session")
    struct SessionTests {
        private static let insert = Statement("insert", "insert into things (id, name) values ($1::integer, $2::text) returning id")
        private static let count = Statement("count", "select count(*) from things")

        private func withTable(_ body: (PostgresConnection) async throws -> Void) async throws {
            try await withConnection { connection, _ in
                try await connection.script("drop table if exists things; create table things (id integer primary key, name text not null)")
                try await body(connection)
            }
        }

        private func count(_ connection: PostgresConnection) async throws -> Int64? {
            try await connection.rows(Self.count) { (row) throws(PostgresError) in try row.int64(0) }.first
        }

        @Test("a pipeline is all or none, says which statement failed, and leaves the session usable")
        func pipeline() async throws {
            try await withTable { connection in
                let ids = try await connection.run { (session) throws(PostgresError) in
                    try session.pipeline((1...3).map { (Self.insert, [.int32($0), .text("n")]) })
                        .map { (rows) throws(PostgresError) in try rows[0].int32(0) }
                }
                #expect(ids == [1, 2, 3])
                for bad in 4...6 {
                    // The failing one first, in the middle, last: what came before it is undone, what follows is not tried.
                    let steps = (4...6).map { (Self.insert, [Parameter.int32($0), $0 == Int32(bad) ? .null : .text("n")]) }
                    let error = try await failure { () async throws(PostgresError) in
                        try await connection.run { (session) throws(PostgresError) in try session.pipeline(steps).count }
                    }
                    #expect(error.sqlState == "23502" && error.statement == "insert")
                    #expect(try await count(connection) == 3)
                }
                let other = Statement("broken", "select nonsense")
                let error = try await failure { () async throws(PostgresError) in
                    try await connection.run { (session) throws(PostgresError) in
                        try session.pipeline([(Self.count, []), (other, [])]).count
                    }
                }
                #expect(error.sqlState == "42703" && error.statement == "broken")
                #expect(try await count(connection) == 3)
            }
        }

        @Test("an error inside a transaction rolls all of it back")
        func rollback() async throws {
            try await withTable { connection in
                let error = try await failure { () async throws(PostgresError) in
                    try await connection.run { (session) throws(PostgresError) in
                        try session.transaction { (session) throws(PostgresError) in
                            _ = try session.execute(Self.insert, [.int32(1), .text("n")])
                            _ = try session.execute(Self.insert, [.int32(1), .text("again")])
                        }
                    }
                }
                #expect(error.sqlState == "23505")
                #expect(try await count(connection) == 0)
            }
        }

        @Test("a transaction whose body passed over a failure is not called committed")
        func swallowed() async throws {
            try await withTable { connection in
                let error = try await failure { () async throws(PostgresError) in
                    try await connection.run { (session) throws(PostgresError) in
                        try session.transaction { (session) throws(PostgresError) in
                            _ = try session.execute(Self.insert, [.int32(1), .text("n")])
                            _ = try? session.execute(Self.insert, [.int32(1), .text("again")])
                        }
                    }
                }
                #expect(error.sqlState == "25P02")
                #expect(try await count(connection) == 0)
            }
        }

        @Test("a decoding error in a transaction rolls back too, and the session goes on")
        func decoding() async throws {
            try await withTable { connection in
                let error = try await failure { () async throws(PostgresError) in
                    try await connection.run { (session) throws(PostgresError) in
                        try session.transaction { (session) throws(PostgresError) in
                            try session.execute(Self.insert, [.int32(1), .text("n")])[0].text(5)
                        }
                    }
                }
                #expect(error.kind == .decoding)
                #expect(try await count(connection) == 0)
            }
        }

        @Test("several statements of a script are one transaction")
        func script() async throws {
            try await withTable { connection in
                let error = try await failure { () async throws(PostgresError) in
                    try await connection.script("insert into things values (1, 'n'); insert into things values (1, 'n')")
                }
                #expect(error.sqlState == "23505")
                #expect(try await count(connection) == 0)
            }
        }

        @Test(
            "a statement that takes too long is ended by the server, and the session goes on",
            arguments: [Duration.seconds(1), .seconds(2)])
        func statementTimeout(limit: Duration) async throws {
            try await withConnection(statementTimeout: limit) { connection, _ in
                let process = try await connection.serverProcess()
                let start = ContinuousClock.now
                let error = try await failure { () async throws(PostgresError) in
                    try await connection.rows(Statement("sleep", "select pg_sleep(20)")) { $0.isNull(0) }
                }
                #expect(error.kind == .refused && error.sqlState == "57014" && error.isRetriable)
                #expect(start.duration(to: .now) < limit + .seconds(10), "not the 20 s of the statement")
                #expect(try await connection.serverProcess() == process)
            }
        }

        @Test("a statement is prepared once on each session")
        func prepared() async throws {
            try await withTable { connection in
                for _ in 0..<3 { _ = try await count(connection) }
                let names = try await connection.rows(Statement("names", "select name from pg_prepared_statements order by name")) {
                    (row) throws(PostgresError) in try row.text(0)
                }
                #expect(names == ["count", "names"])
            }
        }
    }
}
