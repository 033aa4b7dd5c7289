/// A value of a YAML document, with the line it begins on.
public struct YAMLNode: Sendable, Equatable {
    public enum Content: Sendable, Equatable {
        /// Plain is what stands without quotes: only that can be a number, true, false or nothing.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// In the document's order; no key comes twice.
        case mapping([YAMLEntry])
    }

    public let content: Content
    /// From 1.
    public let line: Int

    public init(_ content: Content, line: Int) {
        self.content = content
        self.line = line
    }

    /// Nothing was written: an empty value, `~` or `null`.
    public var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }
}

public struct YAMLEntry: Sendable, Equatable {
    public let key: String
    public let line: Int
    public let value: YAMLNode

    public init(key: String, line: Int, value: YAMLNode) {
        self.key = key
        self.line = line
        self.value = value
    }
}

/// Why a text is no YAML document that is taken here.
public struct YAMLFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// From 1.
    public let line: Int
    public let problem: String

    public init(line: Int, problem: String) {
        self.line = line
        self.problem = problem
    }

    public var description: String { "line \(line): \(problem)" }
}
