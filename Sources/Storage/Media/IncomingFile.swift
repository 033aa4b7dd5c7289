import Crypto
import Open311

#if canImport(Glibc)
    import Glibc
#endif

/// A file that is being received: bytes go to disk as they come, and their hash with them. One writer at a time.
public final class IncomingFile: Sendable {
    let path: String
    private let descriptor: Int32

    init(in folder: String) throws(MediaError) {
        path = "\(folder)/\(PhotoToken().text)"
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw MediaError(errno: errno) }
    }

    init(existing path: String) throws(MediaError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw MediaError(errno: errno) }
    }

    deinit { close(descriptor) }

    public func write(_ bytes: [UInt8]) async throws(MediaError) {
        try await MediaFolder.offCooperativePool { () throws(MediaError) in
            var written = 0
            while written < bytes.count {
                let count = bytes.withUnsafeBytes {
                    Glibc.write(self.descriptor, $0.baseAddress.map { $0 + written }, bytes.count - written)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw MediaError(errno: errno) }
                written += count
            }
        }
    }

    func sync() throws(MediaError) {
        guard fsync(descriptor) == 0 else { throw MediaError(errno: errno) }
    }

    /// Throws the file away; harmless once it is kept.
    public func discard() async {
        _ = try? await MediaFolder.offCooperativePool { () throws(MediaError) in _ = unlink(self.path) }
    }
}
