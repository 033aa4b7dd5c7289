/// How a process ended.
public enum ProcessExit: Sendable, Equatable, CustomStringConvertible {
    /// It ended by itself with this code; 0 means success.
    case exited(code: Int32)
    /// This signal ended it: 9 is SIGKILL, 15 SIGTERM.
    case signalled(Int32)

    /// True only for an exit with code 0.
    public var isSuccess: Bool { self == .exited(code: 0) }

    public var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signalled(let signal): "signal \(signal)"
        }
    }

    /// Reads the status word of `waitpid(2)`, whose macros Swift does not import.
    init(waitStatus status: Int32) {
        let signal = status & 0x7f
        self = signal == 0 ? .exited(code: (status >> 8) & 0xff) : .signalled(signal)
    }
}
