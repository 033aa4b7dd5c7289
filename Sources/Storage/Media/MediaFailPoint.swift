#if canImport(Glibc)
    import Glibc
#endif

/// A place where a test asks a process to die, to prove that no file is left without a row and no row without its files. Named once
/// at start; absent in production.
public enum MediaFailPoint: String, Sendable, CaseIterable {
    /// In the gateway: the originals are kept, their request is not recorded.
    case afterPut = "photo.after_put"
    /// In the cleaner: the copies are kept, the photo is not settled.
    case afterCopies = "photo.after_copies"
    /// In the cleaner: the photo is settled, what it replaces is not removed.
    case afterSettle = "photo.after_settle"

    /// Dies at once, as by `kill -9`, when `chosen` is this place.
    public func reach(_ chosen: MediaFailPoint?) {
        if chosen == self { kill(getpid(), SIGKILL) }
    }
}
