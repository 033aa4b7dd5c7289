#if canImport(Glibc)
    import Glibc
#endif

/// A pipe that turns "somebody has something for you" into a readable descriptor.
///
/// Writing is safe from any thread; reading belongs to the thread that waits.
struct WakePipe: ~Copyable, Sendable {
    let readEnd: Int32
    let writeEnd: Int32

    init() throws(ConnectionThreadError) {
        var ends: (Int32, Int32) = (0, 0)
        let result = withUnsafeMutablePointer(to: &ends) {
            $0.withMemoryRebound(to: Int32.self, capacity: 2) { pipe($0) }
        }
        guard result == 0 else { throw .cannotCreatePipe(errno: errno) }
        readEnd = ends.0
        writeEnd = ends.1
        for end in [ends.0, ends.1] {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    /// A full pipe already guarantees the wake-up, so its error is no error.
    func wake() {
        var byte: UInt8 = 1
        _ = write(writeEnd, &byte, 1)
    }

    func drain() {
        var buffer: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &buffer) { bytes in
            while read(readEnd, bytes.baseAddress, bytes.count) == bytes.count {}
        }
    }
}
