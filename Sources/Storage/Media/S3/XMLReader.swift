/// Reads the little XML that S3 services answer with: elements, text, the five entities and numbered characters. Attributes,
/// comments and processing instructions are passed over. Everything else that XML can do, first of all DTDs and entities of
/// one's own, is refused; so are documents deeper or with longer texts than S3 has reason for.
struct XMLReader {
    enum Event: Equatable {
        /// Without its namespace's prefix.
        case begin(String)
        /// Between two tags; white space alone is passed over.
        case text(String)
        case end(String)
    }

    struct Failure: Error, Equatable, CustomStringConvertible {
        /// Offset in bytes.
        let at: Int
        let problem: String

        var description: String { "byte \(at): \(problem)" }
    }

    static let maximumDepth = 8
    /// Of one text, in bytes.
    static let maximumText = 4_096
    private static let maximumName = 64

    private let bytes: [UInt8]
    private var at = 0
    private var open: [String] = []
    /// Of an element without content, whose end comes next.
    private var closing: String?
    private var hasRoot = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// - Returns: nil at the end of a whole document.
    mutating func next() throws(Failure) -> Event? {
        if let name = closing {
            closing = nil
            open.removeLast()
            return .end(name)
        }
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "<") {
                if let event = try markup() { return event }
            } else if let text = try text() {
                return .text(text)
            }
        }
        guard open.isEmpty, hasRoot else { throw failure("the document ends too early") }
        return nil
    }

    private func failure(_ problem: String) -> Failure { Failure(at: at, problem: problem) }

    // MARK: Tags

    private mutating func markup() throws(Failure) -> Event? {
        if skip("<?") {
            try pass(over: "?>")
            return nil
        }
        if skip("<!--") {
            try pass(over: "-->")
            return nil
        }
        if skip("</") {
            let name = try self.name()
            skipSpace()
            guard skip(">") else { throw failure("an end tag is not closed") }
            guard open.last == name else { throw failure("an end tag has no begin") }
            open.removeLast()
            return .end(name)
        }
        guard skip("<"), !at(UInt8(ascii: "!")) else { throw failure("declarations are not read") }
        guard !open.isEmpty || !hasRoot else { throw failure("a second document begins") }
        let name = try self.name()
        let isEmpty = try passAttributes()
        hasRoot = true
        guard open.count < Self.maximumDepth else { throw failure("deeper than \(Self.maximumDepth)") }
        open.append(name)
        if isEmpty { closing = name }
        return .begin(name)
    }

    /// - Returns: whether the element has no content.
    private mutating func passAttributes() throws(Failure) -> Bool {
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: ">"):
                at += 1
                return false
            case UInt8(ascii: "/"):
                at += 1
                guard skip(">") else { throw failure("a tag is not closed") }
                return true
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                let quote = bytes[at]
                at += 1
                guard let end = bytes[at...].firstIndex(of: quote) else { throw failure("an attribute is not closed") }
                at = end + 1
            case UInt8(ascii: "<"): throw failure("a tag is not closed")
            default: at += 1
            }
        }
        throw failure("a tag is not closed")
    }

    private mutating func name() throws(Failure) -> String {
        let start = at
        while at < bytes.count, Self.isNameByte(bytes[at]) { at += 1 }
        guard at > start, at - start <= Self.maximumName else { throw failure("an element's name is not one") }
        let local = bytes[start..<at].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).last ?? []
        guard !local.isEmpty else { throw failure("an element's name is not one") }
        return String(decoding: local, as: UTF8.self)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (65...90).contains(byte) || (97...122).contains(byte) || (48...57).contains(byte) || "-._:".utf8.contains(byte)
    }

    // MARK: Text

    private mutating func text() throws(Failure) -> String? {
        var text: [UInt8] = []
        var isBlank = true
        while at < bytes.count, bytes[at] != UInt8(ascii: "<") {
            if bytes[at] == UInt8(ascii: "&") {
                text.append(contentsOf: try reference())
                isBlank = false
            } else {
                isBlank = isBlank && Self.isSpace(bytes[at])
                text.append(bytes[at])
                at += 1
            }
            guard text.count <= Self.maximumText else { throw failure("a text of more than \(Self.maximumText) bytes") }
        }
        if isBlank { return nil }
        guard !open.isEmpty else { throw failure("text outside the document") }
        guard let string = String(validating: text, as: UTF8.self) else { throw failure("a text is not UTF-8") }
        return string
    }

    /// `&amp;`, `&#34;`, `&#x22;` and the like.
    private mutating func reference() throws(Failure) -> [UInt8] {
        guard let end = bytes[at...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else { throw failure("an entity is not closed") }
        let name = String(decoding: bytes[(at + 1)..<end], as: UTF8.self)
        let named: [String: Character] = ["amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'"]
        let found: Character?
        if let character = named[name] {
            found = character
        } else if name.hasPrefix("#") {
            let isHex = name.hasPrefix("#x")
            let digits = name.dropFirst(isHex ? 2 : 1)
            let number = digits.first == "+" || digits.first == "-" ? nil : UInt32(digits, radix: isHex ? 16 : 10)
            found = number.flatMap { Unicode.Scalar($0) }.flatMap { $0.value == 0 ? nil : Character($0) }
        } else {
            found = nil
        }
        guard let found else { throw failure("an entity that XML does not have") }
        at = end + 1
        return Array(String(found).utf8)
    }

    // MARK: Bytes

    private func at(_ byte: UInt8) -> Bool { at < bytes.count && bytes[at] == byte }

    private mutating func skip(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard at + count <= bytes.count else { return false }
        let isThere = word.withUTF8Buffer { word in (0..<count).allSatisfy { bytes[at + $0] == word[$0] } }
        if isThere { at += count }
        return isThere
    }

    private mutating func pass(over word: StaticString) throws(Failure) {
        while at < bytes.count {
            if skip(word) { return }
            at += 1
        }
        throw failure("the document ends too early")
    }

    private mutating func skipSpace() { while at < bytes.count, Self.isSpace(bytes[at]) { at += 1 } }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 10 || byte == 13 || byte == 9 }
}
