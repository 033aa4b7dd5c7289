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
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
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

    /// What stands in front and, of a longer file, at its end, one behind the other: where cameras write what they know.
    ///
    /// - Parameters:
    ///   - front, end: in bytes.
    public func edges(front: Int, end: Int) async throws(MediaError) -> [UInt8] {
        try await MediaFolder.offCooperativePool { () throws(MediaError) in
            let size = Int(lseek(self.descriptor, 0, SEEK_END))
            guard size >= 0 else { throw MediaError(errno: errno) }
            let first = try self.read(0..<min(front, size))
            return size > front ? first + (try self.read(max(front, size - end)..<size)) : first
        }
    }

    private func read(_ range: Range<Int>) throws(MediaError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            while count < range.count {
                let got = pread(descriptor, buffer.baseAddress.map { $0 + count }, range.count - count, off_t(range.lowerBound + count))
                if got < 0, errno == EINTR { continue }
                if got < 0 { failure = errno }
                if got <= 0 { break }
                count += got
            }
        }
        guard failure == 0 else { throw MediaError(errno: failure) }
        return bytes
    }

    func sync() throws(MediaError) {
        guard fsync(descriptor) == 0 else { throw MediaError(errno: errno) }
    }

    /// Throws the file away; harmless once it is kept.
    public func discard() async {
        _ = try? await MediaFolder.offCooperativePool { () throws(MediaError) in _ = unlink(self.path) }
    }
}
