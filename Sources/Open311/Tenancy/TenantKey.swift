/// The public name of a tenant in paths, queues and users: lower-case words, then a hyphen and six hexadecimal digits
/// (`valmont-7f3a9c`). The suffix keeps a name from being guessed; the missing dot keeps it from being a prefix of another.
public struct TenantKey: Sendable, Hashable, CustomStringConvertible {
    public let rawValue: String

    /// - Throws: ``InvalidValue`` that says which rule is broken.
    public init(validating text: String) throws(InvalidValue) {
        guard (3...40).contains(text.utf8.count) else {
            throw InvalidValue(name: "tenant", problem: "must be 3 to 40 characters long")
        }
        let words = text.split(separator: "-", omittingEmptySubsequences: false)
        let isLowerWord = { (word: Substring) in !word.isEmpty && word.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) }
        }
        guard words.count >= 2, words.allSatisfy(isLowerWord), let first = text.utf8.first, (97...122).contains(first),
            let suffix = words.last, suffix.utf8.count == 6,
            suffix.utf8.allSatisfy({ (97...102).contains($0) || (48...57).contains($0) })
        else {
            throw InvalidValue(
                name: "tenant",
                problem:
                    "must be lower-case letters and digits in words joined by hyphens, ending in a hyphen and six hexadecimal digits, as in valmont-7f3a9c"
            )
        }
        rawValue = text
    }

    public var description: String { rawValue }
}

/// A value from outside that breaks the rule of its type.
public struct InvalidValue: Error, Sendable, Equatable, CustomStringConvertible {
    /// The field's name, as the sender knows it.
    public let name: String
    /// What is wrong, as the rest of a sentence that begins with the name.
    public let problem: String

    public init(name: String, problem: String) {
        self.name = name
        self.problem = problem
    }

    public var description: String { "\(name) \(problem)" }
}
