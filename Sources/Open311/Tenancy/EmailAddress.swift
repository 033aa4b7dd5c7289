/// An address that mail can be sent to, in the plain form that every mail server takes: `name@domain`, ASCII.
public struct EmailAddress: Sendable, Hashable, CustomStringConvertible {
    public let rawValue: String

    /// - Throws: ``InvalidValue``; quoted local parts, addresses by number and display names are refused.
    public init(validating text: String) throws(InvalidValue) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard text.utf8.count <= 254, parts.count == 2, (1...64).contains(parts[0].utf8.count), Self.isLocal(parts[0]),
            Self.isDomain(parts[1])
        else { throw InvalidValue(name: "email", problem: "must be an e-mail address, as in sig@valmont.example") }
        rawValue = text
    }

    private static func isLocal(_ text: Substring) -> Bool {
        let allowed = "!#$%&'*+-/=?^_`{|}~".utf8
        let words = text.split(separator: ".", omittingEmptySubsequences: false)
        return words.allSatisfy { word in
            !word.isEmpty && word.utf8.allSatisfy { isLetterOrDigit($0) || allowed.contains($0) }
        }
    }

    private static func isDomain(_ text: Substring) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.count >= 2, labels.last?.utf8.allSatisfy({ (48...57).contains($0) }) == false else { return false }
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
        }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool { (97...122).contains(byte | 32) || (48...57).contains(byte) }

    public var description: String { rawValue }
}
