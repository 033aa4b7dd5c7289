import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Keeps a folder of data to one owner at a time; the kernel lets go when the owner dies.
public final class FolderLock: Sendable {
    private let descriptor: Int32

    /// - Throws: `PrivateServerError.folderInUse` while another process, or another object of this one, holds it.
    public init(_ folder: URL) throws {
        let path = folder.appendingPathComponent("lock").path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw PrivateServerError.file(path: path, what: systemMessage(errno)) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw PrivateServerError.folderInUse(path: folder.path)
        }
    }

    deinit { close(descriptor) }
}
