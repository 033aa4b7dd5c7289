/// What is wrong with JSON text, and where.
public struct JSONFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// From 1; the column counts bytes.
    public let line: Int
    public let column: Int
    public let text: String

    public var description: String { "line \(line), column \(column): \(text)" }
}

/// Reads JSON text (RFC 8259) into a tree, with bounds on depth and on the number of values, and names the place of a fault. A member
/// that occurs twice in an object is a fault: which of the two was meant is anybody's guess.
public struct JSONReader {
    /// Containers in containers.
    public static let maximumDepth = 64
    /// Values of one text in all.
    public static let maximumValues = 2_000_000

    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var values = 0
    private let takesNull: Bool

    /// - Parameter takesNull: whether a string may hold U+0000, which no database keeps: for those who take control characters out anyway.
    /// - Throws: ``JSONFault``.
    public static func value(_ bytes: [UInt8], takesNull: Bool = false) throws(JSONFault) -> JSONValue {
        let result = bytes.withUnsafeBufferPointer { buffer -> Result<JSONValue, JSONFault> in
            var reader = JSONReader(bytes: buffer, takesNull: takesNull)
            do throws(JSONFault) { return .success(try reader.whole()) } catch { return .failure(error) }
        }
        return try result.get()
    }

    private init(bytes: UnsafeBufferPointer<UInt8>, takesNull: Bool) {
        self.bytes = bytes
        self.takesNull = takesNull
    }

    private mutating func whole() throws(JSONFault) -> JSONValue {
        // The mark that Windows editors put before UTF-8 is no part of the text (RFC 8259, 8.1).
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        space()
        let value = try value(depth: 0)
        space()
        guard position == bytes.count else { throw fault("something comes after the end of the value") }
        return value
    }

    private func fault(_ text: String, at place: Int? = nil) -> JSONFault {
        let before = bytes[..<min(place ?? position, bytes.count)]
        let lineStart = before.lastIndex(of: 10).map { $0 + 1 } ?? 0
        return JSONFault(line: before.count { $0 == 10 } + 1, column: before.count - lineStart + 1, text: text)
    }

    private mutating func space() {
        while position < bytes.count, bytes[position] == 32 || bytes[position] == 10 || bytes[position] == 13 || bytes[position] == 9 {
            position += 1
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONFault) -> JSONValue {
        values += 1
        guard values <= Self.maximumValues else { throw fault("there are more than \(Self.maximumValues) values") }
        guard position < bytes.count else { throw fault("the text ends where a value should be") }
        switch bytes[position] {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard depth < Self.maximumDepth else { throw fault("more than \(Self.maximumDepth) containers stand in one another") }
            return bytes[position] == UInt8(ascii: "{") ? try object(depth: depth + 1) : try array(depth: depth + 1)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), 48...57: return try number()
        default: throw fault("no value begins so")
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONFault) -> JSONValue {
        let isThere = word.withUTF8Buffer { word in
            position + word.count <= bytes.count && (0..<word.count).allSatisfy { bytes[position + $0] == word[$0] }
        }
        guard isThere else { throw fault("no value begins so") }
        position += word.utf8CodeUnitCount
        return value
    }

    private mutating func array(depth: Int) throws(JSONFault) -> JSONValue {
        position += 1
        var elements: [JSONValue] = []
        space()
        if take(UInt8(ascii: "]")) { return .array(elements) }
        while true {
            space()
            elements.append(try value(depth: depth))
            space()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard take(UInt8(ascii: ",")) else { throw fault("a comma or ] is missing") }
        }
    }

    private mutating func object(depth: Int) throws(JSONFault) -> JSONValue {
        position += 1
        var members: [JSONValue.Member] = []
        var names: Set<String> = []
        space()
        if take(UInt8(ascii: "}")) { return .object(members) }
        while true {
            space()
            let start = position
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw fault("a member's name is missing") }
            let name = try string()
            // Small ones are looked through: a set costs more than it saves.
            let isTwice =
                members.count < 16 ? members.contains { $0.name == name } : !names.insert(name).inserted
            guard !isTwice else { throw fault("the member “\(name.prefix(64))” occurs twice in one object", at: start) }
            if members.count == 15 { names.formUnion(members.map(\.name) + [name]) }
            space()
            guard take(UInt8(ascii: ":")) else { throw fault("a colon is missing") }
            space()
            members.append(JSONValue.Member(name, try value(depth: depth)))
            space()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw fault("a comma or } is missing") }
        }
    }

    // MARK: Numbers and strings

    private mutating func digits() -> Int {
        let start = position
        while position < bytes.count, (48...57).contains(bytes[position]) { position += 1 }
        return position - start
    }

    private mutating func number() throws(JSONFault) -> JSONValue {
        let start = position
        _ = take(UInt8(ascii: "-"))
        let first = position
        guard digits() > 0, bytes[first] != 48 || position == first + 1 else { throw fault("no number is written so", at: start) }
        if take(UInt8(ascii: ".")), digits() == 0 { throw fault("no number is written so", at: start) }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            guard digits() > 0 else { throw fault("no number is written so", at: start) }
        }
        guard position - start <= 64, let value = Double(String(decoding: bytes[start..<position], as: UTF8.self)), value.isFinite else {
            throw fault("this number is too large or too long", at: start)
        }
        return .number(value)
    }

    private mutating func string() throws(JSONFault) -> String {
        let start = position
        position += 1
        let first = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\\") {
            guard bytes[position] >= 32 else { throw fault("a line break or control character stands in a string: write it as \\n or \\t") }
            position += 1
        }
        guard position < bytes.count else { throw fault("this string does not end", at: start) }
        if bytes[position] == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try text(bytes[first..<position])
        }
        return try escapedString(from: first, start)
    }

    private func text(_ part: Slice<UnsafeBufferPointer<UInt8>>) throws(JSONFault) -> String {
        guard let text = String(validating: UnsafeBufferPointer(rebasing: part), as: UTF8.self) else {
            throw fault("this string is not UTF-8: it looks like Latin-1 or Windows-1252; save the file as UTF-8", at: part.startIndex)
        }
        return text
    }

    private mutating func escapedString(from first: Int, _ start: Int) throws(JSONFault) -> String {
        var utf8 = Array(bytes[first..<position])
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                guard let text = String(validating: utf8, as: UTF8.self) else {
                    throw fault("this string is not UTF-8: it looks like Latin-1 or Windows-1252; save the file as UTF-8", at: start)
                }
                return text
            case UInt8(ascii: "\\"):
                position += 1
                utf8.append(contentsOf: try escape())
            case 0..<32: throw fault("a line break or control character stands in a string: write it as \\n or \\t")
            default:
                utf8.append(byte)
                position += 1
            }
        }
        throw fault("this string does not end", at: start)
    }

    private mutating func escape() throws(JSONFault) -> [UInt8] {
        guard position < bytes.count else { throw fault("the text ends after a backslash") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [8]
        case UInt8(ascii: "f"): return [12]
        case UInt8(ascii: "n"): return [10]
        case UInt8(ascii: "r"): return [13]
        case UInt8(ascii: "t"): return [9]
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw fault("no escape is written so", at: position - 2)
        }
    }

    private mutating func unicodeEscape() throws(JSONFault) -> [UInt8] {
        let start = position - 2
        var code = try hexadecimal(start)
        if (0xD800..<0xDC00).contains(code) {
            guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else { throw fault("half of a surrogate pair", at: start) }
            let low = try hexadecimal(start)
            guard (0xDC00..<0xE000).contains(low) else { throw fault("half of a surrogate pair", at: start) }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard code != 0 || takesNull, let scalar = Unicode.Scalar(code) else {
            throw fault(code == 0 ? "the character U+0000 cannot be kept" : "half of a surrogate pair", at: start)
        }
        return Array(String(Character(scalar)).utf8)
    }

    private mutating func hexadecimal(_ start: Int) throws(JSONFault) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count, let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
                throw fault("\\u takes four hexadecimal digits", at: start)
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }
}
