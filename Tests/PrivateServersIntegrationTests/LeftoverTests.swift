import Foundation
import PrivateServers
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Each test lets a second process start a server and die by kill -9, which leaves no time for any farewell.
@Suite("A server whose owner was killed", .serialized)
struct LeftoverTests {
    /// The folder that the dying child, whose parent we are, and we agree on.
    private static func server(ofTestProcess pid: pid_t, slot: Int) throws -> PrivatePostgreSQL {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-orphan-\(pid)-\(slot)")
        // Below the ports that the kernel gives to outgoing connections, and below those of the other suites' servers.
        return PrivatePostgreSQL(directory: directory, port: 12_000 + (Int(pid) % 18) * 400 + 300 + slot)
    }

    private static func recordedPid(_ server: PrivatePostgreSQL) throws -> pid_t {
        let line = try String(contentsOf: server.directory.appendingPathComponent("postgresql.pid"), encoding: .utf8)
        return try #require(pid_t(line.split(separator: " ")[0]))
    }

    @Test("is ended by its guard")
    func guardEndsIt() async throws {
        await #expect(processExitsWith: .signal(SIGKILL)) {
            let server = try LeftoverTests.server(ofTestProcess: getppid(), slot: 0)
            try await server.start()
            kill(getpid(), SIGKILL)
        }
        let server = try Self.server(ofTestProcess: getpid(), slot: 0)
        defer { try? FileManager.default.removeItem(at: server.directory) }
        let pid = try Self.recordedPid(server)
        #expect(await eventually(within: .seconds(20)) { !runs(pid) })
    }

    @Test("is ended by the next start when the guard was killed too")
    func nextStartEndsIt() async throws {
        await #expect(processExitsWith: .signal(SIGKILL)) {
            let server = try LeftoverTests.server(ofTestProcess: getppid(), slot: 1)
            try await server.start()
            let guards = try output(of: "/usr/bin/pgrep", ["-P", "\(getpid())", "-f", "bus311-guard"])
            for pid in guards.split(separator: "\n").compactMap({ pid_t($0) }) { kill(pid, SIGKILL) }
            kill(getpid(), SIGKILL)
        }
        let server = try Self.server(ofTestProcess: getpid(), slot: 1)
        defer { try? FileManager.default.removeItem(at: server.directory) }
        let orphan = try Self.recordedPid(server)
        #expect(runs(orphan), "the guard must be dead for this test to mean something")
        try await server.start()
        #expect(!runs(orphan))
        #expect(await server.pid != orphan)
        await server.stop()
    }
}
