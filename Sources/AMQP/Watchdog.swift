import ConnectionThread
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#endif

/// Cuts connections whose writes make no progress. One thread for the whole process.
///
/// The library waits without limit when the broker does not read; shutting the socket down from outside is the only way to end that.
final class Watchdog: Sendable {
    /// The process's watchdog, or why it has none.
    static let shared = Result<Watchdog, ConnectionThreadError> { () throws(ConnectionThreadError) in try Watchdog() }

    private static let interval = Duration.milliseconds(250)
    private let thread: ConnectionThread
    private let guards = NIOLockedValueBox<[ObjectIdentifier: SocketGuard]>([:])

    private init() throws(ConnectionThreadError) {
        thread = try ConnectionThread(name: "amqp-watchdog")
    }

    /// Begins to look after a socket.
    func protect(_ socket: SocketGuard) {
        let isFirst = guards.withLockedValue { guards in
            guards[ObjectIdentifier(socket)] = socket
            return guards.count == 1
        }
        guard isFirst else { return }
        // poll(2) ignores a negative descriptor: only the interval wakes the thread.
        thread.watch(-1, every: Self.interval) { [guards] _ in
            for socket in guards.withLockedValue({ Array($0.values) }) { socket.cutIfOverdue() }
        }
    }

    /// Stops looking after a socket.
    func forget(_ socket: SocketGuard) {
        guards.withLockedValue { _ = $0.removeValue(forKey: ObjectIdentifier(socket)) }
    }
}

/// One socket under the watchdog's eye.
final class SocketGuard: Sendable {
    private struct State: Sendable {
        var descriptor: Int32
        var deadline: Deadline?
        var wasCut = false
    }

    private let state: NIOLockedValueBox<State>

    init(descriptor: Int32) {
        state = NIOLockedValueBox(State(descriptor: descriptor))
    }

    /// From now on, no progress until `limit` has passed means that the socket is cut. Calling it again is progress.
    func arm(_ limit: Duration) {
        let deadline = Deadline.after(limit)
        state.withLockedValue { $0.deadline = deadline }
    }

    /// The work is done.
    func disarm() {
        state.withLockedValue { $0.deadline = nil }
    }

    /// Whether the watchdog has cut the socket.
    var wasCut: Bool { state.withLockedValue { $0.wasCut } }

    /// From now on the descriptor is somebody else's.
    func release() {
        state.withLockedValue { $0.descriptor = -1 }
    }

    /// `shutdown(2)` does not wait, and only under the lock is the descriptor certain to be still this socket.
    fileprivate func cutIfOverdue() {
        state.withLockedValue { state in
            guard !state.wasCut, state.descriptor >= 0, let deadline = state.deadline, deadline.hasPassed else { return }
            state.wasCut = true
            _ = shutdown(state.descriptor, Int32(SHUT_RDWR))
        }
    }
}
