import Crypto
import Foundation

/// A password of the broker: 43 letters and digits, as many combinations as 32 random bytes. Printing it shows nothing.
public struct BrokerPassword: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    /// To be shown to a person once, or written to a file only they can read.
    public let clearText: String

    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    private static let length = 43

    /// A new one.
    public static func random() -> BrokerPassword {
        var generator = SystemRandomNumberGenerator()
        let characters = (0..<length).map { _ in alphabet[Int.random(in: alphabet.indices, using: &generator)] }
        return BrokerPassword(clearText: String(characters))
    }

    /// What the broker keeps instead: four random bytes of salt, then SHA-256 of salt and password, in Base64. So the password
    /// itself never travels.
    func saltedHash(salt: [UInt8] = (0..<4).map { _ in .random(in: .min ... .max) }) -> String {
        Data(salt + SHA256.hash(data: salt + Array(clearText.utf8))).base64EncodedString()
    }

    public var description: String { "password" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// What the CRM needs to connect.
public struct IssuedCredential: Sendable, Hashable {
    public let slot: CredentialSlot
    public let user: String
    /// Known here and nowhere else from now on.
    public let password: BrokerPassword
    public let virtualHost: String
}

/// A credential slot as the broker has it.
public struct CredentialState: Sendable, Hashable, Encodable {
    public let slot: CredentialSlot
    public let user: String
    /// Whether a password is set, or a certificate is expected: otherwise nobody is meant to log in.
    public let isIssued: Bool
    /// The user has no password: it logs in with a certificate that bears its name.
    public let byCertificate: Bool
    /// Now; the broker remembers no earlier ones.
    public let connections: [CredentialConnection]
}

/// An open connection of a tenant's user.
public struct CredentialConnection: Sendable, Hashable, Encodable {
    /// The broker's name for it: both addresses and ports.
    public let name: String
    /// What the client calls itself, if it does.
    public let clientName: String?
    /// The broker reports this and the rest some seconds after the connection.
    public let connectedAt: Date?
    public let channels: Int?
    /// Address and port of the client, as the broker sees it.
    public let peer: String?
    /// The client library, as it names itself.
    public let product: String?
    public let version: String?
    public let isEncrypted: Bool?
}
