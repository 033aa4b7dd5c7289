#if canImport(Glibc)
    import Glibc
#endif

/// Sends a signal to one process of the private server.
func signal(_ process: Int32, _ name: String) throws {
    let number = name == "STOP" ? SIGSTOP : SIGCONT
    guard process > 1, kill(process, number) == 0 else { throw Unexpected(description: "cannot signal \(process): errno \(errno)") }
}
