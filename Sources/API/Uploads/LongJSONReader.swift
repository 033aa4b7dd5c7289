import Open311

/// Reads a JSON form that is longer than a form may be, because photos stand in it as base64 under `media` or `media[]`, one text or
/// an array of texts. Those pass through; what is left, with empty texts in their places, stays within the limit and is
/// ``JSONFormReader``'s.
struct LongJSONReader: BodyReader {
    private let maximumText: Int
    /// The body without its photos.
    private var rest: [UInt8] = []
    private var depth = 0
    private var string = Inside.none
    /// The member that is being read, as it is spelled; a photo's name spelled with escapes is no photo's name here.
    private var name: [UInt8] = []
    private var isValue = false
    /// Of an escape in a photo's text: a backslash, then up to five more bytes.
    private var escape: [UInt8] = []

    private enum Inside { case none, text, escapedText, name, escapedName, media }

    private static let maximumName = 256

    /// - Parameter maximumText: of everything but photos, in bytes.
    init(maximumText: Int) { self.maximumText = maximumText }

    mutating func read(_ bytes: some Collection<UInt8>) throws(FormError) -> [MultipartReader.Piece] {
        var pieces: [MultipartReader.Piece] = []
        var passing: [UInt8] = []
        for byte in bytes {
            guard string == .media else {
                try step(byte, &pieces)
                continue
            }
            if !escape.isEmpty {
                try unescape(byte, into: &passing)
            } else if byte == UInt8(ascii: "\\") {
                escape.append(byte)
            } else if byte == UInt8(ascii: "\"") {
                if !passing.isEmpty { pieces.append(.fileBytes(passing)) }
                passing.removeAll(keepingCapacity: true)
                pieces.append(.fileEnd)
                try keep(byte)
                string = .none
            } else {
                passing.append(byte)
            }
        }
        if !passing.isEmpty { pieces.append(.fileBytes(passing)) }
        return pieces
    }

    mutating func finish() throws(FormError) -> [MultipartReader.Piece] {
        guard string != .media else { throw .malformedJSON("it ends within \(field)") }
        return try JSONFormReader.fields(rest).all.map { .field(name: $0.name, value: $0.value) }
    }

    private var field: String { String(decoding: name.prefix(64), as: UTF8.self) }

    private mutating func keep(_ byte: UInt8) throws(FormError) {
        guard rest.count < maximumText else { throw .fieldTooLarge(field: field) }
        rest.append(byte)
    }

    private mutating func step(_ byte: UInt8, _ pieces: inout [MultipartReader.Piece]) throws(FormError) {
        try keep(byte)
        switch (string, byte) {
        case (.escapedText, _): string = .text
        case (.escapedName, _): string = .name
        case (.text, UInt8(ascii: "\\")): string = .escapedText
        case (.name, UInt8(ascii: "\\")):
            string = .escapedName
            appendToName(byte)
        case (.text, UInt8(ascii: "\"")), (.name, UInt8(ascii: "\"")): string = .none
        case (.name, _): appendToName(byte)
        case (.text, _): break
        case (_, UInt8(ascii: "{")), (_, UInt8(ascii: "[")): depth += 1
        case (_, UInt8(ascii: "}")), (_, UInt8(ascii: "]")): depth -= 1
        case (_, UInt8(ascii: ":")) where depth == 1: isValue = true
        case (_, UInt8(ascii: ",")) where depth == 1: isValue = false
        case (_, UInt8(ascii: "\"")):
            if depth == 1, !isValue {
                name.removeAll(keepingCapacity: true)
                string = .name
            } else if isValue, depth == 1 || depth == 2, InlineMedia.isNamed(field) {
                string = .media
                pieces.append(.inlineBegin(field: field))
            } else {
                string = .text
            }
        default: break
        }
    }

    private mutating func appendToName(_ byte: UInt8) {
        if name.count < Self.maximumName { name.append(byte) }
    }

    /// `\/` above all: PHP writes every slash so.
    private mutating func unescape(_ byte: UInt8, into output: inout [UInt8]) throws(FormError) {
        escape.append(byte)
        switch (escape.count, escape[1]) {
        case (2, UInt8(ascii: "/")), (2, UInt8(ascii: "\\")), (2, UInt8(ascii: "\"")): output.append(byte)
        case (2, UInt8(ascii: "n")): output.append(10)
        case (2, UInt8(ascii: "r")): output.append(13)
        case (2, UInt8(ascii: "t")): output.append(9)
        case (6, UInt8(ascii: "u")):
            let digits = escape[2...].compactMap { FormReader.nibble($0) }
            guard digits.count == 4, digits[0] == 0, digits[1] == 0, digits[2] < 8 else {
                throw .malformedJSON("\(field) has an escape that is no text of a photo")
            }
            output.append(digits[2] << 4 | digits[3])
        case (2...5, UInt8(ascii: "u")): return
        default: throw .malformedJSON("\(field) has an escape that JSON does not know")
        }
        escape.removeAll(keepingCapacity: true)
    }
}
