import Crypto
import Foundation

/// What the installation signs its links with, and hashes addresses with: 32 bytes or more that nobody else knows. Printing it shows
/// nothing.
public struct LinkSecret: Sendable, CustomStringConvertible, CustomReflectable {
    fileprivate let keys: [SymmetricKey]

    /// - Parameters:
    ///   - text: at least 32 characters, as from `openssl rand -hex 32`.
    ///   - previous: one that is being given up: its links are still read, none is made with it, and who was unsubscribed under it stays
    ///     so.
    /// - Throws: ``InvalidValue`` when one is too short.
    public init(_ text: String, previous: String? = nil) throws(InvalidValue) {
        for one in [text, previous ?? text] where one.utf8.count < 32 {
            throw InvalidValue(name: "secret", problem: "must have at least 32 characters, as from: openssl rand -hex 32")
        }
        keys = ([text] + [previous].compactMap { $0 }).map { SymmetricKey(data: Data($0.utf8)) }
    }

    public var description: String { "secret" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }

    /// Tells one person's notices from another's without saying who it is: 32 bytes. Addresses differ neither by case nor by spaces.
    public func hash(address: String) -> [UInt8] { hash(address, keys[0]) }

    /// As ``hash(address:)``, and then as it was with the secret that is being given up: what was written down with that one still counts.
    public func hashes(address: String) -> [[UInt8]] { keys.map { hash(address, $0) } }

    private func hash(_ address: String, _ key: SymmetricKey) -> [UInt8] {
        let text = "bus311 address\n" + address.lowercased().filter { !$0.isWhitespace }
        return Array(HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: key))
    }

    fileprivate func signature(_ payload: [UInt8], _ key: SymmetricKey) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Self.signed(payload), using: key))
    }

    /// Compares in a time that does not depend on where they differ.
    fileprivate func isSignature(_ given: [UInt8], of payload: [UInt8]) -> Bool {
        // Both are tried, whatever the first says.
        keys.map { HMAC<SHA256>.isValidAuthenticationCode(given, authenticating: Self.signed(payload), using: $0) }.contains(true)
    }

    private static func signed(_ payload: [UInt8]) -> Data { Data("bus311 link\n".utf8) + Data(payload) }
}

/// A link that opens one thing about one request for whoever holds it: which one, and until when, is signed.
public struct SignedLink: Sendable, Equatable {
    public enum Purpose: UInt8, Sendable {
        /// Follow, withdraw, see and erase.
        case person = 1
        /// Stop the notices.
        case unsubscribe = 2
    }

    public let purpose: Purpose
    public let tenant: TenantID
    public let request: ServiceRequestID
    /// Whole seconds.
    public let expiresAt: Timestamp
    /// ``LinkSecret/hash(address:)`` of whom an unsubscribing link is sent to: so it works when the request has forgotten its person,
    /// and nothing of the person is kept here for it. Nil in links of other purposes, and in those of before.
    public let address: [UInt8]?

    /// - Parameter address: 32 bytes, for ``Purpose/unsubscribe`` only.
    public init(
        _ purpose: Purpose, tenant: TenantID, request: ServiceRequestID, expiresAt: Timestamp, address: [UInt8]? = nil
    ) {
        self.purpose = purpose
        self.tenant = tenant
        self.request = request
        self.expiresAt = Timestamp(seconds: expiresAt.seconds)
        self.address = purpose == .unsubscribe && address?.count == Self.addressLength ? address : nil
    }

    private static let payloadLength = 22
    private static let addressLength = 32
    private static let signatureLength = 32

    /// 72 characters that a URL takes as they are; 115 with an address.
    public func token(_ secret: LinkSecret) -> String {
        Base64URL.text(payload + secret.signature(payload, secret.keys[0]))
    }

    private var payload: [UInt8] {
        [address == nil ? 1 : 2, purpose.rawValue] + Self.bytes(tenant.rawValue) + Self.bytes(request.rawValue)
            + Self.bytes(expiresAt.seconds) + (address ?? [])
    }

    /// Why a link opens nothing.
    public enum Refusal: Error, Sendable, Equatable {
        /// Not one of ours, cut or changed.
        case unknown
        /// Ours, and made for something else.
        case otherPurpose
        case expired
    }

    /// Reads what somebody presents; the signature first, so that nothing is learnt of a forged one.
    public init(_ token: String, for purpose: Purpose, _ secret: LinkSecret, at now: Timestamp) throws(Refusal) {
        guard token.utf8.count == 72 || token.utf8.count == 115, let bytes = Base64URL.bytes(token) else { throw .unknown }
        let payload = Array(bytes.dropLast(Self.signatureLength))
        let hasAddress = payload.count == Self.payloadLength + Self.addressLength
        guard hasAddress || payload.count == Self.payloadLength,
            secret.isSignature(Array(bytes.suffix(Self.signatureLength)), of: payload), payload[0] == (hasAddress ? 2 : 1)
        else { throw .unknown }
        guard payload[1] == purpose.rawValue else { throw .otherPurpose }
        self.init(
            purpose, tenant: TenantID(Self.number(payload[2..<6])), request: ServiceRequestID(stored: Self.number(payload[6..<14])),
            expiresAt: Timestamp(seconds: Self.number(payload[14..<22])),
            address: hasAddress ? Array(payload.dropFirst(Self.payloadLength)) : nil)
        guard expiresAt > now else { throw .expired }
    }

    private static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    private static func number<Number: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>) -> Number {
        bytes.reduce(Number.zero) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }
}

/// RFC 4648, section 5, without padding.
private enum Base64URL {
    static func text(_ bytes: [UInt8]) -> String {
        let text = Data(bytes).base64EncodedString()
        return String(text.compactMap { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 == "=" ? nil : $0 })
    }

    static func bytes(_ text: String) -> [UInt8]? {
        guard text.utf8.allSatisfy({ (97...122).contains($0 | 32) || (48...57).contains($0) || $0 == 45 || $0 == 95 }) else { return nil }
        let standard =
            String(text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }) + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        // One text for one link: bits beyond the last byte must be as they are written.
        return Data(base64Encoded: standard).map { Array($0) }.flatMap { self.text($0) == text ? $0 : nil }
    }
}
