import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#endif

/// One operating-system thread that is a Swift serial executor, for one connection of a blocking C client.
///
/// An actor that names this thread as its executor runs every method on it, so the C handle is only ever touched by one
/// thread. While there is no job, the thread waits in `poll(2)` on its own wake-up pipe *and*, if asked, on the client's
/// descriptor, so frames are read and heartbeats sent between jobs (``watch(_:every:handler:)``).
///
/// Lifetime: an executor is not retained by the actors that run on it. The actor holds its thread strongly and calls
/// ``stop()`` when its connection is closed; jobs enqueued afterwards are still run, on a thread started for them, so that
/// no continuation is ever lost.
public final class ConnectionThread: SerialExecutor, Sendable {
    /// What the idle wait woke for.
    public enum IdleEvent: Sendable {
        /// The watched descriptor is readable, or in error.
        case readable
        /// The interval passed with nothing to do.
        case tick
    }

    private struct State {
        var jobs: [UnownedJob] = []
        var stopping = false
        var finished = false
        var watch: Watch?
    }

    private struct Watch: Sendable {
        let descriptor: Int32
        let interval: Duration
        let handler: @Sendable (IdleEvent) -> Void
    }

    /// The thread's name as the operating system shows it (15 bytes at most).
    public let name: String
    private let state = NIOLockedValueBox(State())
    private let pipe: WakePipe
    private let threadIdentifier = NIOLockedValueBox<pthread_t?>(nil)

    /// Starts the thread.
    ///
    /// - Parameter name: shown by `ps -L` and debuggers; cut to 15 bytes.
    /// - Throws: ``ConnectionThreadError`` when the process has no descriptor or thread left.
    public init(name: String) throws(ConnectionThreadError) {
        self.name = String(decoding: name.utf8.prefix(15), as: UTF8.self)
        pipe = try WakePipe()
        try start()
    }

    private func start() throws(ConnectionThreadError) {
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        // The thread keeps the executor alive until its loop has ended.
        let context = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread,
            &attributes,
            { argument in
                guard let argument else { return nil }
                Unmanaged<ConnectionThread>.fromOpaque(argument).takeRetainedValue().main()
                return nil
            },
            context.toOpaque()
        )
        guard result == 0 else {
            context.release()
            throw .cannotCreateThread(errno: result)
        }
    }

    // MARK: Executor

    public func enqueue(_ job: consuming ExecutorJob) {
        // An executor is handed over unowned, and this very job may be the one that ends it on the other thread, as soon as it is in
        // the list.
        let own = Unmanaged.passRetained(self)
        defer { own.release() }
        let job = UnownedJob(job)
        let restart = state.withLockedValue { state -> Bool in
            state.jobs.append(job)
            defer { state.finished = false }
            return state.finished
        }
        if restart {
            // Stopped already: a short-lived thread runs what came late, one job after the other as the actor expects.
            // Without a thread to be had, the caller's own runs them: nobody else can, so the order still holds.
            do { try start() } catch { main() }
        } else if !isCurrent {
            pipe.wake()
        }
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    public func checkIsolated() {
        precondition(isCurrent, "expected to run on connection thread \(name)")
    }

    /// Whether the caller runs on this thread.
    public var isCurrent: Bool {
        guard let identifier = threadIdentifier.withLockedValue({ $0 }) else { return false }
        return pthread_equal(identifier, pthread_self()) != 0
    }

    // MARK: Idle

    /// Asks the thread to wait on `descriptor` too whenever it has no job.
    ///
    /// - Parameters:
    ///   - descriptor: the client's socket; the caller calls ``unwatch()`` before it closes it.
    ///   - interval: the longest silence between two calls of the handler (half a heartbeat, for a broker).
    ///   - handler: runs on this thread; must not wait.
    public func watch(_ descriptor: Int32, every interval: Duration, handler: @escaping @Sendable (IdleEvent) -> Void) {
        state.withLockedValue { $0.watch = Watch(descriptor: descriptor, interval: interval, handler: handler) }
        if !isCurrent { pipe.wake() }
    }

    /// Ends ``watch(_:every:handler:)``.
    public func unwatch() {
        state.withLockedValue { $0.watch = nil }
        if !isCurrent { pipe.wake() }
    }

    // MARK: Waiting inside a job

    /// What ended a wait.
    public enum WaitOutcome: Sendable, Equatable {
        /// The descriptor is ready for at least one of the wanted events, or has an error to report.
        case ready(readable: Bool, writable: Bool)
        case deadlinePassed
    }

    /// Waits, on the calling thread, until a descriptor is ready or the deadline passes.
    ///
    /// - Parameters:
    ///   - descriptor: a socket.
    ///   - readable: wait until it can be read.
    ///   - writable: wait until it can be written.
    ///   - deadline: when to give up.
    public static func wait(for descriptor: Int32, readable: Bool, writable: Bool, until deadline: Deadline) -> WaitOutcome {
        var wanted: Int32 = 0
        if readable { wanted |= Int32(POLLIN) }
        if writable { wanted |= Int32(POLLOUT) }
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(wanted), revents: 0)
            let count = poll(&entry, 1, deadline.pollMilliseconds)
            if count > 0 {
                let failed = Int32(entry.revents) & Int32(POLLERR | POLLHUP | POLLNVAL) != 0
                return .ready(
                    readable: failed || Int32(entry.revents) & Int32(POLLIN) != 0,
                    writable: failed || Int32(entry.revents) & Int32(POLLOUT) != 0
                )
            }
            if deadline.hasPassed { return .deadlinePassed }
        }
    }

    // MARK: End

    /// Ends the thread after the jobs already enqueued. Returns at once; calling it again does nothing.
    public func stop() {
        state.withLockedValue {
            $0.stopping = true
            $0.watch = nil
        }
        pipe.wake()
    }

    private func main() {
        threadIdentifier.withLockedValue { $0 = pthread_self() }
        setName()
        while true {
            runJobs()
            let (ended, watch) = state.withLockedValue { state -> (Bool, Watch?) in
                guard state.jobs.isEmpty else { return (false, nil) }
                if state.stopping { state.finished = true }
                return (state.finished, state.watch)
            }
            if ended { break }
            idle(watch)
        }
        // Unless a thread for late jobs has taken over meanwhile.
        threadIdentifier.withLockedValue { identifier in
            if let other = identifier, pthread_equal(other, pthread_self()) != 0 { identifier = nil }
        }
    }

    /// Through /proc, because Glibc's module hides `pthread_setname_np`; a system without it shows an unnamed thread.
    private func setName() {
        let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = name.withCString { write(descriptor, $0, strlen($0)) }
        close(descriptor)
    }

    private func runJobs() {
        while true {
            let jobs = state.withLockedValue { state -> [UnownedJob] in
                defer { state.jobs.removeAll() }
                return state.jobs
            }
            if jobs.isEmpty { return }
            for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
        }
    }

    private func idle(_ watch: Watch?) {
        guard state.withLockedValue({ $0.jobs.isEmpty }) else { return }
        var entries = [pollfd(fd: pipe.readEnd, events: Int16(POLLIN), revents: 0)]
        if let watch { entries.append(pollfd(fd: watch.descriptor, events: Int16(POLLIN), revents: 0)) }
        let timeout = watch.map { Deadline.after($0.interval).pollMilliseconds } ?? -1
        let count = poll(&entries, nfds_t(entries.count), timeout)
        if entries[0].revents != 0 { pipe.drain() }
        guard let watch, state.withLockedValue({ $0.watch?.descriptor == watch.descriptor }) else { return }
        if entries[1].revents != 0 {
            watch.handler(.readable)
        } else if count == 0 {
            watch.handler(.tick)
        }
    }
}
