/// The name of a city in Open311's `jurisdiction_id`: by convention its web domain. Compared without regard to case.
public struct JurisdictionID: Sendable, Hashable, CustomStringConvertible {
    /// Lower-cased.
    public let rawValue: String

    /// - Throws: ``InvalidValue`` unless it is 1 to 255 printable ASCII characters without a space or a slash.
    public init(validating text: String) throws(InvalidValue) {
        guard (1...255).contains(text.utf8.count), text.utf8.allSatisfy({ (33...126).contains($0) && $0 != UInt8(ascii: "/") }) else {
            throw InvalidValue(name: "jurisdiction_id", problem: "must be 1 to 255 printable ASCII characters, as in valmont.example")
        }
        rawValue = text.lowercased()
    }

    public var description: String { rawValue }
}
