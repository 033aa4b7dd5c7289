import Crypto
import Foundation

/// Turns `definitions/base.json`, which holds no secret, into what a broker loads at boot.
enum BrokerDefinitions {
    /// The base definitions with each user's placeholder `@NAME@` replaced by the hash of its password.
    ///
    /// - Throws: `PrivateServerError.file` when the file cannot be read or a placeholder is missing or left over.
    static func render(base: URL, passwords: [String: String]) throws -> String {
        var text: String
        do {
            text = try String(contentsOf: base, encoding: .utf8)
        } catch {
            throw PrivateServerError.file(path: base.path, what: "cannot be read: \(error.localizedDescription)")
        }
        for (user, password) in passwords {
            let placeholder = "\"@\(user)@\""
            guard text.contains(placeholder) else {
                throw PrivateServerError.file(path: base.path, what: "has no placeholder \(placeholder) for the password hash")
            }
            text = text.replacingOccurrences(of: placeholder, with: "\"\(hash(password))\"")
        }
        guard !text.contains("\"@") else {
            throw PrivateServerError.file(path: base.path, what: "has a placeholder for a user that nobody gave a password")
        }
        return text
    }

    /// RabbitMQ's default password hash (`rabbit_password_hashing_sha256`): base64 of a 4-byte salt and SHA-256 of salt and password.
    static func hash(_ password: String) -> String {
        var generator = SystemRandomNumberGenerator()
        let salt = (0..<4).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        return hash(password, salt: salt)
    }

    static func hash(_ password: String, salt: [UInt8]) -> String {
        Data(salt + Array(SHA256.hash(data: salt + Array(password.utf8)))).base64EncodedString()
    }

    /// A name that no other folder of this machine has.
    static func nodeName(for folder: URL) -> String {
        let digest = SHA256.hash(data: Data(folder.path.utf8)).prefix(5).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }
        return "bus311-\(digest.joined())@localhost"
    }
}
