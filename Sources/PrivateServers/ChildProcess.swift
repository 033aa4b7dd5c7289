import Foundation
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#endif

/// One running program that this process started, known by its process id until it has ended.
///
/// The program gets a session of its own, so a Ctrl-C typed at the terminal reaches only us; it inherits no descriptor but its
/// standard three, and none of our ignored signals. A thread of its own waits for its end, so there is never a zombie.
public final class ChildProcess: Sendable {
    /// What to start and in which surroundings.
    public struct Launch: Sendable {
        /// Absolute path of the program.
        public var executable: String
        /// Arguments after the program's name.
        public var arguments: [String]
        /// The whole environment: nothing is inherited.
        public var environment: [String: String]
        /// Working directory.
        public var directory: URL
        /// Where both standard output and error are appended; nil inherits ours.
        public var log: URL?

        public init(
            executable: String,
            arguments: [String] = [],
            environment: [String: String] = [:],
            directory: URL,
            log: URL? = nil
        ) {
            self.executable = executable
            self.arguments = arguments
            self.environment = environment
            self.directory = directory
            self.log = log
        }
    }

    private struct State {
        var exit: ProcessExit?
        var waiters: [CheckedContinuation<ProcessExit, Never>] = []
        var atExit: [@Sendable () -> Void] = []
    }

    /// The process id; stale once `exitNow` is not nil.
    public let pid: pid_t
    private let state = NIOLockedValueBox(State())

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - input: a descriptor to be its standard input; nil means `/dev/null`. It stays open here.
    ///   - output: a descriptor to be its standard output and error, instead of `launch.log`. It stays open here.
    /// - Throws: `PrivateServerError.notStarted`.
    init(_ launch: Launch, input: Int32? = nil, output: Int32? = nil) throws {
        var child: pid_t = 0
        let failure = Self.spawn(launch, input: input, output: output, into: &child)
        guard failure == 0 else { throw PrivateServerError.notStarted(program: launch.executable, errno: failure) }
        pid = child
        let thread = Thread { [self] in reap() }
        thread.stackSize = 128 << 10
        thread.start()
    }

    /// How it ended, or nil while it runs.
    public var exitNow: ProcessExit? { state.withLockedValue { $0.exit } }

    /// Waits for its end.
    public func exit() async -> ProcessExit {
        await withCheckedContinuation { continuation in
            let already = state.withLockedValue { state -> ProcessExit? in
                if state.exit == nil { state.waiters.append(continuation) }
                return state.exit
            }
            if let already { continuation.resume(returning: already) }
        }
    }

    /// Waits for its end, but not longer than `limit`; nil when it still runs then.
    public func exit(within limit: Duration) async -> ProcessExit? {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            if let exit = exitNow { return exit }
            // A cancelled caller still gets an answer: the sleep then returns at once and the wait becomes a yield.
            if (try? await Task.sleep(for: .milliseconds(10))) == nil { await Task.yield() }
        }
        return exitNow
    }

    /// Sends a signal. A process that has ended is left alone, so its number can never hit a stranger.
    public func signal(_ number: Int32) {
        state.withLockedValue { state in
            if state.exit == nil { _ = kill(pid, number) }
        }
    }

    /// Asks it to end with `number`, and kills it when it has not ended after `limit`.
    @discardableResult
    public func stop(signal number: Int32 = SIGTERM, limit: Duration) async -> ProcessExit {
        signal(number)
        // A stopped process would never see the first signal.
        signal(SIGCONT)
        if let exit = await exit(within: limit) { return exit }
        signal(SIGKILL)
        return await exit()
    }

    /// Calls `action` once when it has ended; at once if it has.
    func atExit(_ action: @escaping @Sendable () -> Void) {
        let ended = state.withLockedValue { state in
            if state.exit == nil { state.atExit.append(action) }
            return state.exit != nil
        }
        if ended { action() }
    }

    private func reap() {
        var info = siginfo_t()
        // Waits without collecting: the number stays ours until the lock is held, so `signal` cannot race with its reuse.
        while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        // What must be done at its end is done before anybody learns of it and starts the next one.
        for action in takeActions() { action() }
        let (exit, waiters) = state.withLockedValue { state in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            let exit = ProcessExit(waitStatus: status)
            state.exit = exit
            defer { state.waiters = [] }
            return (exit, state.waiters)
        }
        for action in takeActions() { action() }
        for waiter in waiters { waiter.resume(returning: exit) }
    }

    private func takeActions() -> [@Sendable () -> Void] {
        state.withLockedValue { state in
            defer { state.atExit = [] }
            return state.atExit
        }
    }
}
