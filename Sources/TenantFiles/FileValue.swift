/// A value as it is written: into a tenant's file, and into the JSON Schema that describes such files.
indirect enum FileValue: Sendable, Equatable {
    case text(String)
    case number(Int)
    case flag(Bool)
    case list([FileValue])
    /// Members in the order to write them.
    case object([Member])

    struct Member: Sendable, Equatable {
        let name: String
        let value: FileValue

        init(_ name: String, _ value: FileValue) {
            self.name = name
            self.value = value
        }
    }

    /// One line of JSON, which is YAML too.
    var json: String {
        switch self {
        case .text(let text): return Self.quoted(text)
        case .number(let number): return String(number)
        case .flag(let flag): return String(flag)
        case .list(let items): return "[" + items.map(\.json).joined(separator: ", ") + "]"
        case .object(let members):
            return "{" + members.map { "\(Self.quoted($0.name)): \($0.value.json)" }.joined(separator: ", ") + "}"
        }
    }

    /// JSON over several lines; short lists stay on theirs.
    func prettyJSON(indent: Int = 0) -> String {
        guard case .object(let members) = self, !members.isEmpty else { return json }
        let inner = String(repeating: " ", count: indent + 2)
        let lines = members.map { "\(inner)\(Self.quoted($0.name)): \($0.value.prettyJSON(indent: indent + 2))" }
        return "{\n" + lines.joined(separator: ",\n") + "\n" + String(repeating: " ", count: indent) + "}"
    }

    /// As people would write it in YAML: without quotes where none are needed.
    var yaml: String {
        switch self {
        case .text(let text): Self.isPlain(text) ? text : Self.quoted(text)
        case .list(let items): "[" + items.map(\.yaml).joined(separator: ", ") + "]"
        case .number, .flag, .object: json
        }
    }

    /// Letters, digits and what joins them, which no reader of YAML takes for something else.
    private static func isPlain(_ text: String) -> Bool {
        guard let first = text.utf8.first, (65...90).contains(first & 0xDF), text.utf8.last != UInt8(ascii: " ") else { return false }
        let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        return !words.contains(text.lowercased())
            && text.utf8.allSatisfy { byte in
                (65...90).contains(byte & 0xDF) || (48...57).contains(byte) || " -._/@".utf8.contains(byte)
            } && !text.contains("  ")
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22: result += "\\\""
            case 0x5C: result += "\\\\"
            // Nothing that a terminal, an editor or YAML would act on.
            case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
