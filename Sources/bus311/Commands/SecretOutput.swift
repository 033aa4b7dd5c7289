import ArgumentParser
import Foundation

/// Where a secret that is shown once goes: to the terminal, or into a file that only its owner reads.
enum SecretOutput {
    /// Makes the file before the secret exists, so that a secret is never made and then lost.
    ///
    /// - Throws: when the file is there already, or cannot be made.
    static func reserve(_ path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw ValidationError("\(path) cannot be made: \(String(cString: strerror(errno))). Name a file that is not there yet.")
        }
        close(descriptor)
    }

    /// Fills a reserved file.
    static func write(_ secret: String, to path: String) throws {
        guard let file = FileHandle(forWritingAtPath: path) else {
            throw ValidationError("\(path) is gone: revoke the credential, and issue it again.")
        }
        try file.write(contentsOf: Data((secret + "\n").utf8))
        try file.synchronize()
        try file.close()
    }

    static func giveUp(_ path: String) { unlink(path) }
}
