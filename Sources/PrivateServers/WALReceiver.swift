import Foundation

/// `pg_receivewal`: everything that a PostgreSQL writes to its log, kept in a folder as it comes, on disk before it is confirmed.
public actor WALReceiver: PrivateServer {
    /// What the receiver is called on the server: `synchronous_standby_names` and the replication slot name it.
    private let application: String
    public nonisolated let name = "pg_receivewal"
    private let programs: PostgresPrograms
    private let folder: URL
    private let environment: [String: String]
    private let log: URL
    private var process: ChildProcess?

    /// - Parameters:
    ///   - application: lower-case letters, digits, `_`.
    ///   - folder: the archive; made when it is not there.
    ///   - environment: how to reach the server, as libpq's variables, the password among them.
    public init(programs: PostgresPrograms, application: String, folder: URL, environment: [String: String], log: URL) {
        self.programs = programs
        self.application = application
        self.folder = folder
        // The environment's database is the services'; this connection is for replication.
        self.environment = Program.environment.merging(environment) { $1 }.merging(["PGAPPNAME": application]) { $1 }
        self.log = log
    }

    public func start() async throws {
        guard process?.exitNow != nil || process == nil else { return }
        try SecretFile.makeFolder(folder)
        try await WALHistory(
            of: folder, programs: programs, environment: environment,
            log: log.deletingLastPathComponent().appendingPathComponent("identify.log")
        ).claim()
        _ = try await programs.run(
            "pg_receivewal", ["--create-slot", "--if-not-exists", "--slot=\(application)", "--no-password"], environment: environment,
            log: log)
        let launch = ChildProcess.Launch(
            executable: programs.path("pg_receivewal"),
            arguments: [
                "--directory=\(folder.path)", "--slot=\(application)", "--synchronous", "--status-interval=1", "--no-loop", "--no-password",
            ],
            environment: environment, directory: folder, log: log)
        let deathGuard = try DeathGuard(signal: "INT", limit: 5, directory: folder)
        let process = try ChildProcess(launch)
        deathGuard.watch(process)
        self.process = process
        // It says nothing when it is connected; a wrong password ends it within this time.
        if let exit = await process.exit(within: .milliseconds(300)) {
            throw PrivateServerError.endedAtStart(server: name, exit: exit, log: Command.lastLines(of: log))
        }
    }

    public func stop() async { await process?.stop(signal: SIGINT, limit: .seconds(10)) }

    public func exit() async -> ProcessExit? { await process?.exit() }
}

/// Why a folder does not take a server's log.
public enum WALArchiveError: Error, Sendable, CustomStringConvertible {
    /// System identifier and timeline, of the folder and of the server.
    case anotherHistory(path: String, known: String, found: String)

    public var description: String {
        switch self {
        case .anotherHistory(let path, let known, let found):
            "\(path) holds the log of another history (system and timeline \(known), the server has \(found)): after a restore or a promotion "
                + "begin a new backup folder, and make a new backup in it"
        }
    }
}
