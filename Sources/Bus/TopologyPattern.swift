import Open311

/// Regular expressions over names, as the broker's policies and permissions take them: always anchored, every name in them escaped.
public enum TopologyPattern {
    /// Matches nothing that has a name.
    public static let nothing = "^$"

    /// Any tenant's key, and any other single word: `o311.status.dead` matches too where `dead` is the last word.
    private static let anyTenant = "[a-z0-9-]+"

    /// Exactly one of these names.
    public static func exactly(_ names: String...) -> String {
        let escaped = names.map(escape)
        return escaped.count == 1 ? "^\(escaped[0])$" : "^(\(escaped.joined(separator: "|")))$"
    }

    /// Routing keys that begin with these words.
    public static func beginning(with words: String) -> String { "^" + escape(words) }

    /// The objects of every tenant whose name ends so, as in `requests`.
    public static func ofAnyTenant(_ last: String) -> String { "^o311\\.\(anyTenant)\\.\(escape(last))$" }

    /// The dead queues of every tenant and of the installation.
    static let anyDeadQueue = "^o311\\.(\(anyTenant)\\.dead|status\\.dead|stray)$"

    /// What the status consumer reads: every tenant's statuses, and those whose key led nowhere.
    static let anyStatusQueue = "^o311\\.(\(anyTenant)\\.status-in|stray)$"

    /// Everything of this product.
    static let anything = "^o311\\."

    /// The text with every character that means something in a regular expression escaped.
    static func escape(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            if ".^$*+?()[]{}|\\".contains(character) { result.append("\\") }
            result.append(character)
        }
    }
}
