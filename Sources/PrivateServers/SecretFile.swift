import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Files that hold a secret, readable by their owner only from the first byte on.
enum SecretFile {
    /// The secret in the file, made at random on the first call: 40 hexadecimal digits, 160 bits.
    static func password(at url: URL) throws -> String {
        if let text = try? String(contentsOf: url, encoding: .utf8), !text.isEmpty {
            return text.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        var generator = SystemRandomNumberGenerator()
        let secret = (0..<20).map { _ in
            let digits = String(UInt8.random(in: .min ... .max, using: &generator), radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
        try write(secret, to: url)
        return secret
    }

    /// Replaces the file's content at one stroke.
    static func write(_ text: String, to url: URL, mode: mode_t = 0o600) throws {
        let new = url.path + ".new"
        unlink(new)
        let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw PrivateServerError.file(path: new, what: systemMessage(errno)) }
        defer { close(descriptor) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw PrivateServerError.file(path: new, what: systemMessage(errno)) }
            bytes = bytes.dropFirst(count)
        }
        guard rename(new, url.path) == 0 else { throw PrivateServerError.file(path: url.path, what: systemMessage(errno)) }
    }

    /// Makes a folder that only its owner enters, and its parents.
    static func makeFolder(_ url: URL) throws {
        do {
            try FileManager.default.createDirectory(
                at: url,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw PrivateServerError.file(path: url.path, what: "cannot be made: \(error.localizedDescription)")
        }
    }
}
