import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// A PostgreSQL of our own: its own folder, its own port on 127.0.0.1, no socket file, nobody else's data.
public actor PrivatePostgreSQL: PrivateServer {
    /// The superuser of the private cluster.
    public static let owner = "bus311_owner"

    public nonisolated let name = "postgresql"
    /// TCP port on 127.0.0.1.
    public nonisolated let port: Int
    /// Holds the data, the log, the password and the process id.
    public nonisolated let directory: URL
    private let settings: [String: String]
    private var process: ChildProcess?
    private var lock: FolderLock?

    /// - Parameters:
    ///   - directory: made on the first start.
    ///   - settings: server settings that differ from the usual ones here, as in postgresql.conf.
    public init(directory: URL, port: Int, settings: [String: String] = [:]) {
        self.directory = directory.standardizedFileURL
        self.port = port
        self.settings = [
            "fsync": "on",
            "synchronous_commit": "on",
            "max_connections": "100",
            "shared_buffers": "128MB",
            // Checkpoints by time: after each one, every page that is touched is logged whole.
            "max_wal_size": "4GB",
            "log_timezone": "UTC",
            "timezone": "UTC",
        ].merging(settings) { $1 }
    }

    /// The owner's password, made on the first call.
    public nonisolated func password() throws -> String {
        try SecretFile.makeFolder(directory)
        return try SecretFile.password(at: directory.appendingPathComponent("owner.password"))
    }

    /// Connection URI of the owner, with the password in it.
    public nonisolated func uri(database: String = "postgres") throws -> String {
        "postgresql://\(Self.owner):\(try password())@127.0.0.1:\(port)/\(database)"
    }

    /// Log of the server.
    public nonisolated var log: URL { directory.appendingPathComponent("postgresql.log") }
    private nonisolated var data: URL { directory.appendingPathComponent("data") }
    private nonisolated var pidFile: PidFile {
        PidFile(url: directory.appendingPathComponent("postgresql.pid"), marker: directory.path)
    }

    /// The process id of the postmaster while it runs.
    public var pid: pid_t? { process.flatMap { $0.exitNow == nil ? $0.pid : nil } }
    public var isAlive: Bool { pid != nil }

    /// Ends a server of this folder that outlived its owner. `start` does so too; the caller may want the ports free before that.
    public func endLeftover() async throws {
        guard !isAlive else { return }
        try takeFolder()
        await pidFile.endLeftover(signal: SIGINT, limit: .seconds(20))
    }

    /// Makes the cluster on the first call, starts the server and returns when it takes connections. Does nothing when it runs.
    public func start() async throws {
        guard !isAlive else { return }
        try await endLeftover()
        let binaries = try PostgresPrograms.newest(having: ["initdb", "postgres"]).folder
        let user = try UnprivilegedUser.forPostgreSQL()
        if !FileManager.default.fileExists(atPath: data.appendingPathComponent("PG_VERSION").path) {
            try await makeCluster(binaries, user)
        }
        // Right after kill -9 the orphans still hold the shared memory for a moment, and the new server refuses.
        let deadline = ContinuousClock.now + .seconds(15)
        while true {
            do {
                return try await launch(binaries, user)
            } catch let error as PrivateServerError {
                guard case .endedAtStart = error, ContinuousClock.now < deadline else { throw error }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    /// Fast shutdown: open transactions are rolled back, everything committed is on disk.
    public func stop() async {
        await process?.stop(signal: SIGINT, limit: .seconds(30))
        lock = nil
    }

    /// Stops and starts.
    public func restart() async throws {
        await stop()
        try await start()
    }

    /// Kills the postmaster as an accident would; its children end by themselves within a second or two.
    public func kill9() async { await process?.stop(signal: SIGKILL, limit: .seconds(5)) }

    /// Stops the postmaster from running without ending it; connections that exist go on.
    public func freeze() { process?.signal(SIGSTOP) }
    /// Lets it run again.
    public func thaw() { process?.signal(SIGCONT) }

    public func exit() async -> ProcessExit? { await process?.exit() }

    private func takeFolder() throws {
        guard lock == nil else { return }
        try SecretFile.makeFolder(directory)
        lock = try FolderLock(directory)
    }

    private func makeCluster(_ binaries: URL, _ user: UnprivilegedUser?) async throws {
        _ = try password()
        try? FileManager.default.removeItem(at: data)
        // Built beside and renamed at the end: an initdb that was cut short never looks like a cluster.
        let building = directory.appendingPathComponent("data.new")
        try? FileManager.default.removeItem(at: building)
        try SecretFile.makeFolder(building)
        try user?.own(building)
        var launch = ChildProcess.Launch(
            executable: binaries.appendingPathComponent("initdb").path,
            arguments: [
                "-D", building.path, "--username=\(Self.owner)", "--auth=scram-sha-256",
                "--pwfile=\(directory.appendingPathComponent("owner.password").path)",
                "--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8",
            ],
            environment: Program.environment,
            directory: directory
        )
        if let user { launch = try user.running(launch) }
        _ = try await Command.run(launch, limit: .seconds(120))
        do {
            try FileManager.default.moveItem(at: building, to: data)
        } catch {
            throw PrivateServerError.file(path: data.path, what: "cannot be made: \(error.localizedDescription)")
        }
    }

    private func launch(_ binaries: URL, _ user: UnprivilegedUser?) async throws {
        var arguments = [
            "-D", data.path, "-p", "\(port)", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
            "-c", "logging_collector=off",
        ]
        for (key, value) in settings.sorted(by: { $0.key < $1.key }) { arguments += ["-c", "\(key)=\(value)"] }
        var launch = ChildProcess.Launch(
            executable: binaries.appendingPathComponent("postgres").path,
            arguments: arguments,
            environment: Program.environment,
            directory: directory,
            log: log
        )
        launch = Program.underCallersClock(launch)
        if let user { launch = try user.running(launch) }
        let deathGuard = try DeathGuard(signal: "INT", limit: 20, directory: directory)
        let process = try ChildProcess(launch)
        deathGuard.watch(process)
        self.process = process
        let pidFile = pidFile
        try pidFile.write(process.pid)
        process.atExit { pidFile.remove() }
        let status = data.appendingPathComponent("postmaster.pid")
        let log = log
        let pid = process.pid
        try await waitUntilReady(process, server: name, limit: .seconds(120), log: { Command.lastLines(of: log) }) {
            Self.isReady(status, pid: pid)
        }
    }

    /// The server writes its state on the eighth line of its own file: what `pg_ctl` waits for.
    static func isReady(_ file: URL, pid: pid_t) -> Bool {
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return false }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.count > 7 && lines[0] == "\(pid)" && lines[7].hasPrefix("ready")
    }
}
