#if canImport(Glibc)
    import Glibc
#endif

/// A place where a test asks a process to die, to prove that nothing is lost there. Named once at start; absent in production.
public enum FailPoint: String, Sendable, CaseIterable {
    case relayBeforePublish = "relay.before_publish"
    case relayAfterPublish = "relay.after_publish"
    case relayBeforeSettle = "relay.before_settle"

    /// Dies at once, as by `kill -9`, when `chosen` is this place.
    func reach(_ chosen: FailPoint?) {
        if chosen == self { kill(getpid(), SIGKILL) }
    }
}
