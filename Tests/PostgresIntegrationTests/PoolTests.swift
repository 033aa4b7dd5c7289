import Postgres
import Testing

extension WithPostgreSQL {
    @Suite("A pool")
    struct PoolTests {
        private static let sleep = Statement("sleep", "select pg_backend_pid(), pg_sleep(0.2)")

        private func withPool(size: Int, maximumWaiting: Int, _ body: (PostgresPool) async throws -> Void) async throws {
            let server = try #require(SharedPostgreSQLTrait.server)
            let pool = try PostgresPool(configuration: try configuration(server), size: size, maximumWaiting: maximumWaiting)
            let result: Result<Void, any Error>
            do {
                try await body(pool)
                result = .success(())
            } catch {
                result = .failure(error)
            }
            await pool.close()
            try result.get()
        }

        /// The server's process that served the call, or nil when the pool refused it.
        @Sendable private static func call(_ pool: PostgresPool) async throws -> Int32? {
            do {
                return try await pool.run { (session) throws(PostgresError) in try session.execute(sleep)[0].int32(0) }
            } catch {
                guard case .overloaded = error.kind, error.isRetriable else { throw error }
                return nil
            }
        }

        private func calls(_ count: Int, _ pool: PostgresPool) async throws -> [Int32?] {
            try await withThrowingTaskGroup(of: Int32?.self) { group in
                for _ in 0..<count { group.addTask { try await Self.call(pool) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }

        @Test("spreads calls over its connections and never has more of them")
        func spreads() async throws {
            try await withPool(size: 3, maximumWaiting: 100) { pool in
                let start = ContinuousClock.now
                let processes = try await calls(12, pool)
                #expect(Set(processes).count == 3 && !processes.contains(nil))
                #expect(processes.reduce(into: [:]) { $0[$1, default: 0] += 1 }.values.allSatisfy { $0 == 4 })
                #expect(start.duration(to: .now) >= .milliseconds(780), "four after one another on each")
            }
        }

        @Test("refuses at once what it cannot keep waiting, and goes on")
        func bound() async throws {
            try await withPool(size: 2, maximumWaiting: 3) { pool in
                let answers = try await calls(20, pool)
                #expect(answers.count(where: { $0 != nil }) == 6)
                #expect(answers.count(where: { $0 == nil }) == 14)
                #expect(try await calls(6, pool).count(where: { $0 != nil }) == 6, "refusals leave no trace")
            }
        }

        @Test("takes failures in its stride")
        func failures() async throws {
            try await withPool(size: 2, maximumWaiting: 100) { pool in
                let broken = Statement("broken", "select 1 / $1::integer")
                for _ in 0..<20 {
                    let error = try await failure { () async throws(PostgresError) in
                        try await pool.run { (session) throws(PostgresError) in try session.execute(broken, [.int32(0)]).count }
                    }
                    #expect(error.sqlState == "22012")
                }
                #expect(try await calls(4, pool).count(where: { $0 != nil }) == 4)
            }
        }
    }
}
