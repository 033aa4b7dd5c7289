/// A stranger's link, taken apart by rules so narrow that nobody after us can read it otherwise: http or https, a host of plain
/// characters, no user and no password.
public struct LinkAddress: Sendable, Hashable {
    public let isSecure: Bool
    /// A name or an IPv4 address as it stands in the link, lower-cased; an IPv6 address without its brackets.
    public let host: String
    public let port: UInt16
    /// From the first slash on, percent-encoded, without the fragment.
    public let path: String

    private static let maximumLength = 2_000
    private static let plain = Set("abcdefghijklmnopqrstuvwxyz0123456789.-_".utf8)

    /// - Returns: nil for everything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count <= Self.maximumLength, !text.utf8.contains(where: { $0 < 32 || $0 == 127 || $0 == UInt8(ascii: "\\") }) else {
            return nil
        }
        let lowered = text.prefix(8).lowercased()
        guard let scheme = ["https://", "http://"].first(where: { lowered.hasPrefix($0) }) else { return nil }
        isSecure = scheme == "https://"
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { !"/?#".contains($0) }
        guard let (host, port) = Self.authority(authority, isSecure: isSecure) else { return nil }
        self.host = host
        self.port = port
        path = Self.encoded(rest.dropFirst(authority.count).prefix { $0 != "#" })
    }

    public var hasDefaultPort: Bool { port == (isSecure ? 443 : 80) }

    private var isIPv6: Bool { host.contains(":") }

    /// As it is sent.
    public var url: String {
        "\(isSecure ? "https" : "http")://\(isIPv6 ? "[\(host)]" : host)\(hasDefaultPort ? "" : ":\(port)")\(path)"
    }

    /// Where a redirect leads.
    ///
    /// - Parameter location: the value of the header `Location`.
    /// - Returns: nil when it leads out of http and https, or is no address.
    public func redirected(to location: String) -> LinkAddress? {
        let origin = "\(isSecure ? "https" : "http")://\(isIPv6 ? "[\(host)]" : host):\(port)"
        let scheme = location.prefix { $0.isLetter || $0.isNumber || "+-.".contains($0) }
        if !scheme.isEmpty, location.dropFirst(scheme.count).first == ":" { return LinkAddress(location) }
        if location.hasPrefix("//") { return LinkAddress((isSecure ? "https:" : "http:") + location) }
        if location.hasPrefix("/") { return LinkAddress(origin + location) }
        let plain = path.prefix { $0 != "?" }
        if location.hasPrefix("?") { return LinkAddress(origin + plain + location) }
        let folder = plain.lastIndex(of: "/").map { plain[...$0] } ?? "/"
        return LinkAddress(origin + folder + location)
    }

    private static func authority(_ text: some StringProtocol, isSecure: Bool) -> (host: String, port: UInt16)? {
        let host: String
        let after: String
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = String(text[text.index(after: text.startIndex)..<end])
            after = String(text[text.index(after: end)...])
            guard host.contains(":"), NetworkAddress(host) != nil else { return nil }
        } else {
            host = text.prefix { $0 != ":" }.lowercased()
            after = String(text.dropFirst(host.count))
            guard (1...253).contains(host.utf8.count), host.utf8.allSatisfy({ plain.contains($0) }), host.utf8.first != 45,
                host.utf8.first != 46
            else { return nil }
        }
        if after.isEmpty || after == ":" { return (host, isSecure ? 443 : 80) }
        let digits = after.dropFirst()
        guard after.first == ":", digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(digits), port > 0 else {
            return nil
        }
        return (host, port)
    }

    private static func encoded(_ text: some StringProtocol) -> String {
        var path = text.hasPrefix("/") ? "" : "/"
        for byte in text.utf8 {
            if byte > 32, byte < 127, !"\"<>^`{|}".utf8.contains(byte) {
                path.append(Character(UnicodeScalar(byte)))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                path += "%" + (digits.count < 2 ? "0" : "") + digits
            }
        }
        return path
    }
}
