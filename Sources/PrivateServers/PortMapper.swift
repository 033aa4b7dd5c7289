import Foundation

/// Erlang's port mapper, with a port of our own.
enum PortMapper {
    static func launch(
        port: Int, addresses: String, environment: [String: String], directory: URL, log: URL
    ) throws -> ChildProcess.Launch {
        guard let program = Program.find("epmd") else {
            throw PrivateServerError.programMissing(program: "epmd", remedy: "make deps, or apt-get install rabbitmq-server")
        }
        return ChildProcess.Launch(
            executable: program, arguments: ["-port", "\(port)", "-address", addresses], environment: environment, directory: directory,
            log: log)
    }

    static func waitUntilReady(_ process: ChildProcess, port: Int, log: URL) async throws {
        try await PrivateServers.waitUntilReady(
            process, server: "epmd", limit: .seconds(10), log: { Command.lastLines(of: log) }
        ) { Loopback.accepts(port) }
    }
}
