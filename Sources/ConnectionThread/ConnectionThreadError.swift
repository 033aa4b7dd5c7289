/// Why a connection thread could not be started.
public enum ConnectionThreadError: Error, Sendable, Equatable {
    /// The process has no descriptor left, or the kernel refused; `errno` says which.
    case cannotCreatePipe(errno: Int32)
    /// The process may not start another thread; `errno` is `pthread_create`'s answer.
    case cannotCreateThread(errno: Int32)
}
