/// A JSON value as a tree, for documents that are looked at from several sides: checked, compared, merged.
public enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    /// In the order in which they came; no name occurs twice.
    case object([Member])

    public struct Member: Sendable, Equatable {
        public let name: String
        public var value: JSONValue

        public init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// The member of an object; nil for anything else.
    public subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    public var string: String? { if case .string(let text) = self { text } else { nil } }
    public var number: Double? { if case .number(let value) = self { value } else { nil } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var array: [JSONValue]? { if case .array(let values) = self { values } else { nil } }
    public var object: [Member]? { if case .object(let members) = self { members } else { nil } }

    /// What it is, for a sentence: `a string`.
    public var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// With the members of every object sorted by name, and without regard to how they came: equal values have equal bytes.
    public var canonicalBytes: [UInt8] {
        var writer = JSONWriter(capacity: 4_096)
        writer.value(self)
        return writer.bytes
    }
}

extension JSONWriter {
    /// A whole tree, objects' members sorted by name.
    public mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let flag): self.value(flag)
        case .number(let number): self.value(number)
        case .string(let text): self.value(text)
        case .array(let values):
            beginArray()
            for element in values { self.value(element) }
            endArray()
        case .object(let members):
            beginObject()
            for member in members.sorted(by: { $0.name < $1.name }) {
                name(escaping: member.name)
                self.value(member.value)
            }
            endObject()
        }
    }
}

/// Steps of a JSON pointer (RFC 6901).
public enum JSONPointer {
    public static func step(_ name: String) -> String {
        guard name.utf8.contains(where: { $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "/") }) else { return "/" + name }
        var escaped = "/"
        for character in name.unicodeScalars {
            switch character {
            case "~": escaped += "~0"
            case "/": escaped += "~1"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    public static func step(_ index: Int) -> String { "/\(index)" }
}
