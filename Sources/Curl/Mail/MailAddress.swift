/// A value of a mail that is not what it must be. Printing it never shows the value, which may be a person's.
public struct MailValueError: Error, Sendable, Equatable, CustomStringConvertible {
    public let name: String
    public let problem: String

    public var description: String { "\(name) \(problem)" }
}

/// An address as a mail's envelope and headers carry it: `name@domain` in ASCII. What it is made of leaves no room for a second
/// header, a second recipient or an SMTP command.
public struct MailAddress: Sendable, Hashable, CustomStringConvertible {
    public let text: String

    /// - Throws: ``MailValueError`` for display names, quoted names, addresses by number and letters beyond ASCII.
    public init(validating text: String) throws(MailValueError) {
        let parts = text.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        guard text.utf8.count <= 254, parts.count == 2, (1...64).contains(parts[0].count), Self.isLocal(parts[0]), Self.isDomain(parts[1])
        else { throw MailValueError(name: "address", problem: "must be name@domain in plain letters, as in sig@valmont.example") }
        self.text = text
    }

    /// Behind the @.
    public var domain: String { text.split(separator: "@").last.map(String.init) ?? "" }

    public var description: String { text }

    private static func isLocal(_ text: Substring.UTF8View) -> Bool {
        text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { word in
            !word.isEmpty && word.allSatisfy { isLetterOrDigit($0) || "!#$%&'*+-/=?^_`{|}~".utf8.contains($0) }
        }
    }

    static func isDomain(_ text: Substring.UTF8View) -> Bool {
        text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
        }
    }

    static func isLetterOrDigit(_ byte: UInt8) -> Bool { (97...122).contains(byte | 32) || (48...57).contains(byte) }
}
