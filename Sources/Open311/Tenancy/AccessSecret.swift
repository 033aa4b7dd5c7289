import Crypto

/// A secret that a client presents: an app's API key, or a CRM's bearer token.
///
/// Its form is `o311_<kind>_<8-character public id>_<43 characters>`: the fixed prefix lets secret scanners find leaks, the
/// public id finds the row, and the rest is 256 random bits, so a plain SHA-256 is a sound thing to store.
public struct AccessSecret: Sendable {
    public enum Kind: String, Sendable, CaseIterable {
        /// For an app that calls GeoReport.
        case apiKey = "key"
        /// For a CRM that calls status-ingest.
        case crmToken = "crm"
    }

    public let kind: Kind
    public let publicID: String
    private let text: String

    /// Makes a new one from the system's random source.
    public static func generate(_ kind: Kind) -> AccessSecret {
        let publicID = randomText(length: 8)
        return AccessSecret(kind: kind, publicID: publicID, text: "o311_\(kind.rawValue)_\(publicID)_\(randomText(length: 43))")
    }

    /// Reads what a client presented. Nil when it cannot be one of ours, whatever it is.
    public init?(presented text: String, kind: Kind) {
        guard text.utf8.count <= 80 else { return nil }
        let parts = text.utf8.split(separator: UInt8(ascii: "_"), omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0].elementsEqual("o311".utf8), parts[1].elementsEqual(kind.rawValue.utf8), parts[2].count == 8,
            parts[3].count == 43
        else { return nil }
        self.init(kind: kind, publicID: String(decoding: parts[2], as: UTF8.self), text: text)
    }

    private init(kind: Kind, publicID: String, text: String) {
        self.kind = kind
        self.publicID = publicID
        self.text = text
    }

    /// What is stored: SHA-256 of the whole secret, 32 bytes.
    public var hash: [UInt8] { SHA256.hash(data: Array(text.utf8)).withUnsafeBytes { Array($0) } }

    /// Compares in a time that does not depend on where the two differ.
    public func matches(storedHash: [UInt8]) -> Bool {
        let own = hash
        guard own.count == storedHash.count else { return false }
        var difference: UInt8 = 0
        for (left, right) in zip(own, storedHash) { difference |= left ^ right }
        return difference == 0
    }

    /// The clear text, to be shown once to the person who asked for it and nowhere else.
    public func reveal() -> String { text }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)

    private static func randomText(length: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return String(decoding: (0..<length).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] }, as: UTF8.self)
    }
}
