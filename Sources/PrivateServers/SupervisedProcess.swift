/// A server that can be started, watched and stopped: what a supervisor needs to know of it.
public protocol PrivateServer: Sendable {
    /// Its name in messages, for instance `postgresql`.
    var name: String { get }
    /// Starts it and returns when it answers.
    func start() async throws
    /// Stops it gracefully, and by force when that takes too long. Does nothing when it does not run.
    func stop() async
    /// Waits for the end of the running server; nil at once when none runs.
    func exit() async -> ProcessExit?
}

/// Keeps a server running: when it dies it is started again after a growing wait, and each of these events is told.
public actor SupervisedProcess {
    private let server: any PrivateServer
    private let report: @Sendable (String) -> Void
    private var backoff: RestartBackoff
    private var watch: Task<Void, Never>?

    /// - Parameter report: receives one line for each event, ready to print.
    public init(
        _ server: any PrivateServer,
        backoff: RestartBackoff = RestartBackoff(),
        report: @escaping @Sendable (String) -> Void
    ) {
        self.server = server
        self.backoff = backoff
        self.report = report
    }

    /// Starts the server and, from then on, keeps it running until `stop`.
    ///
    /// - Throws: what the first start threw; later ones are tried again.
    public func start() async throws {
        guard watch == nil else { return }
        try await server.start()
        watch = Task { await keepRunning() }
    }

    /// Ends the supervision, then the server.
    public func stop() async {
        watch?.cancel()
        // The watch is waiting for the server's end, for its start, or for a pause that the cancellation has cut short.
        await server.stop()
        await watch?.value
        watch = nil
        // A start that was under way when the cancellation came may have succeeded after the first stop.
        await server.stop()
    }

    private func keepRunning() async {
        let clock = ContinuousClock()
        var born = clock.now
        while let exit = await server.exit(), !Task.isCancelled {
            var cause = "died (\(exit))"
            while true {
                let wait = backoff.wait(afterLifeOf: clock.now - born)
                report("\(server.name) \(cause), starting again in \(wait.components.seconds) s")
                do { try await clock.sleep(for: wait) } catch { return }
                born = clock.now
                do {
                    try await server.start()
                    report("\(server.name) runs again")
                    break
                } catch {
                    if Task.isCancelled { return }
                    cause = "could not be started (\(error))"
                }
            }
        }
    }
}
