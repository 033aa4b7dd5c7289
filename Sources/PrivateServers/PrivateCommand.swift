import Foundation
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#endif

/// Any program run as a private server: it counts as started when it runs, or when `ready` says so.
public actor PrivateCommand: PrivateServer {
    public nonisolated let name: String
    private let launch: ChildProcess.Launch
    private let stopLimit: Duration
    private let startLimit: Duration
    private let ready: @Sendable () async -> Bool
    private var process: ChildProcess?

    /// - Parameters:
    ///   - stopLimit: time between SIGTERM and SIGKILL.
    ///   - startLimit: time until `ready` must have answered true.
    public init(
        name: String,
        launch: ChildProcess.Launch,
        stopLimit: Duration = .seconds(15),
        startLimit: Duration = .seconds(60),
        ready: @escaping @Sendable () async -> Bool = { true }
    ) {
        self.name = name
        self.launch = launch
        self.stopLimit = stopLimit
        self.startLimit = startLimit
        self.ready = ready
    }

    /// The process id while it runs.
    public var pid: pid_t? { process.flatMap { $0.exitNow == nil ? $0.pid : nil } }

    public func start() async throws {
        guard pid == nil else { return }
        let deathGuard = try DeathGuard(
            signal: "TERM",
            limit: Int(stopLimit.components.seconds),
            directory: launch.directory
        )
        let process = try ChildProcess(launch)
        deathGuard.watch(process)
        self.process = process
        let log = launch.log
        try await waitUntilReady(process, server: name, limit: startLimit, log: { log.map(Command.lastLines(of:)) ?? "" }, ready)
    }

    public func stop() async { await process?.stop(limit: stopLimit) }

    /// Ends it at once, as an accident would.
    public func kill9() async { await process?.stop(signal: SIGKILL, limit: .seconds(5)) }

    public func exit() async -> ProcessExit? { await process?.exit() }
}

/// Polls `ready` until it answers true, the process ends, or the time is over.
func waitUntilReady(
    _ process: ChildProcess,
    server: String,
    limit: Duration,
    log: () -> String,
    _ ready: @Sendable () async -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while true {
        if let exit = process.exitNow { throw PrivateServerError.endedAtStart(server: server, exit: exit, log: log()) }
        if await ready() { return }
        guard ContinuousClock.now < deadline else {
            await process.stop(signal: SIGKILL, limit: .seconds(5))
            throw PrivateServerError.notReady(server: server, seconds: Int(limit.components.seconds), log: log())
        }
        do {
            try await Task.sleep(for: .milliseconds(25))
        } catch {
            await process.stop(signal: SIGKILL, limit: .seconds(5))
            throw error
        }
    }
}
