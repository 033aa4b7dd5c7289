/// The mail server that takes mail over from us: our own relay, or a provider's submission service. Printing it shows no password.
public struct SMTPServer: Sendable, CustomStringConvertible, CustomReflectable {
    /// How the way there is protected.
    public enum Protection: Sendable, Hashable {
        /// From the first byte (`smtps://`).
        case tls
        /// After the greeting, by STARTTLS; never without.
        case startTLS
        /// Not at all.
        case none
    }

    public let host: String
    public let port: Int
    public let protection: Protection
    public let user: String?
    let password: String?
    /// PEM file of the authorities to trust instead of the system's.
    public let authorities: String?

    /// - Parameters:
    ///   - url: `smtp://host:587` (STARTTLS) or `smtps://host:465`; without a port these are taken.
    ///   - allowsCleartext: with `smtp://`, no TLS at all: mails and the password travel readable.
    /// - Throws: ``MailValueError`` whose name is the part at fault.
    public init(
        url: String, user: String? = nil, password: String? = nil, authorities: String? = nil, allowsCleartext: Bool = false
    ) throws(MailValueError) {
        let scheme = url.prefix { $0 != ":" }.lowercased()
        let form = MailValueError(
            name: "url", problem: "must be smtp://host:port or smtps://host:port, as in smtp://mail.valmont.example:587")
        guard scheme == "smtp" || scheme == "smtps", url.dropFirst(scheme.count).hasPrefix("://") else { throw form }
        var authority = url.dropFirst(scheme.count + 3)
        if authority.last == "/" { authority.removeLast() }
        // An IPv6 address stands in brackets.
        let isBracketed = authority.first == "["
        let split = isBracketed ? authority.lastIndex(of: "]").map { authority.index(after: $0) } : authority.firstIndex(of: ":")
        let name = split.map { authority[..<$0] } ?? authority
        let tail = split.map { authority[$0...] } ?? ""
        let isName =
            isBracketed
            ? name.last == "]" && name.dropFirst().dropLast().utf8.allSatisfy { MailAddress.isLetterOrDigit($0) || $0 == 58 || $0 == 46 }
            : MailAddress.isDomain(name.utf8)
        guard isName, name.utf8.count <= 255, name.utf8.count > (isBracketed ? 2 : 0) else { throw form }
        if tail.isEmpty {
            port = scheme == "smtps" ? 465 : 587
        } else {
            guard tail.first == ":", let number = Int(tail.dropFirst()), (1...65_535).contains(number) else { throw form }
            port = number
        }
        host = String(name)
        protection = scheme == "smtps" ? .tls : allowsCleartext ? .none : .startTLS
        guard (user == nil) == (password == nil) else {
            throw MailValueError(name: user == nil ? "user" : "password", problem: "must be given too: a login has both")
        }
        let isLine = { (text: String?) in text?.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 } ?? true }
        guard isLine(user), isLine(password) else {
            throw MailValueError(name: isLine(user) ? "password" : "user", problem: "must not have control characters")
        }
        self.user = user
        self.password = password
        self.authorities = authorities
    }

    public var description: String { "\(protection == .tls ? "smtps" : "smtp")://\(host):\(port)" }
    public var customMirror: Mirror { Mirror(self, children: ["server": description]) }
}
