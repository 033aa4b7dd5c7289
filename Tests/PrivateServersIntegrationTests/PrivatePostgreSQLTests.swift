import Foundation
import PrivateServers
import Testing

@Suite("A private PostgreSQL", .serialized)
struct PrivatePostgreSQLTests {
    private func query(_ statement: String, on server: PrivatePostgreSQL) throws -> String {
        try output(
            of: "/usr/bin/psql",
            [
                "-X", "-A", "-t", "-q", "-c", statement, "-h", "127.0.0.1", "-p", "\(server.port)", "-U", PrivatePostgreSQL.owner,
                "postgres",
            ],
            environment: ["PGPASSWORD": try server.password(), "PGCONNECT_TIMEOUT": "5"]
        )
    }

    @Test("keeps what was committed through kill -9 and takes connections again at once")
    func survivesKill() async throws {
        let sandbox = try Sandbox(slot: 0)
        defer { sandbox.remove() }
        let server = PrivatePostgreSQL(directory: sandbox.directory.appendingPathComponent("postgresql"), port: sandbox.ports.postgresql)
        try await server.start()
        let first = try #require(await server.pid)
        #expect(try query("create table t as select 42 as answer; select answer from t", on: server) == "42")
        #expect(try query("select current_setting('data_checksums') || current_setting('server_encoding')", on: server) == "onUTF8")

        await server.kill9()
        #expect(await server.exit() == .signalled(9))
        try await server.start()
        #expect(try query("select answer from t", on: server) == "42")
        #expect(await server.pid != first)

        await server.stop()
        #expect(await server.exit() == .exited(code: 0))
        #expect(await !server.isAlive)
    }

    @Test("refuses a second owner of the same folder, and whoever has no password")
    func oneOwner() async throws {
        let sandbox = try Sandbox(slot: 1)
        defer { sandbox.remove() }
        let folder = sandbox.directory.appendingPathComponent("postgresql")
        let server = PrivatePostgreSQL(directory: folder, port: sandbox.ports.postgresql)
        try await server.start()
        let other = PrivatePostgreSQL(directory: folder, port: sandbox.ports.postgresql)
        await #expect(throws: PrivateServerError.folderInUse(path: folder.path)) { try await other.start() }
        #expect(await server.isAlive)
        #expect(throws: PrivateServerError.self) { try sandbox.ports.checkFree() }

        let answer = try output(
            of: "/usr/bin/psql",
            ["-X", "-w", "-c", "select 1", "-h", "127.0.0.1", "-p", "\(server.port)", "-U", PrivatePostgreSQL.owner, "postgres"]
        )
        #expect(answer.contains("no password supplied"))
        await server.stop()
    }

    @Test("is started again by its supervisor, which says so")
    func supervised() async throws {
        let sandbox = try Sandbox(slot: 2)
        defer { sandbox.remove() }
        let server = PrivatePostgreSQL(directory: sandbox.directory.appendingPathComponent("postgresql"), port: sandbox.ports.postgresql)
        let (lines, said) = AsyncStream.makeStream(of: String.self)
        let supervisor = SupervisedProcess(server, backoff: RestartBackoff(first: .milliseconds(100))) { said.yield($0) }
        try await supervisor.start()
        await server.kill9()
        var spoken = lines.makeAsyncIterator()
        #expect(await spoken.next() == "postgresql died (signal 9), starting again in 0 s")
        #expect(await spoken.next() == "postgresql runs again")
        #expect(try query("select 1", on: server) == "1")
        await supervisor.stop()
        #expect(await !server.isAlive)
    }
}
