import Open311

#if canImport(Glibc)
    import Glibc
#endif

/// Reads `multipart/form-data` (RFC 7578) as it arrives: text parts are kept whole within a limit, file parts pass through.
struct MultipartReader {
    enum Piece: Equatable {
        case field(name: String, value: String)
        /// A part with a file name; its bytes follow, then its end.
        case fileBegin(field: String)
        /// A photo that stands as text: base64 or a link. Its bytes follow, then its end.
        case inlineBegin(field: String)
        case fileBytes([UInt8])
        case fileEnd
    }

    private enum State { case preamble, afterDelimiter, head, text(String), file, finished }

    private let delimiter: [UInt8]
    private let maximumText: Int
    private var buffer: [UInt8] = Array("\r\n".utf8)
    private var state = State.preamble
    private var textBytes = 0

    private static let maximumHead = 8_192

    /// - Parameters:
    ///   - contentType: the header's value, which names the boundary.
    ///   - maximumText: of all text parts together, names included, in bytes.
    init(contentType: String, maximumText: Int) throws(FormError) {
        guard let boundary = Self.parameter("boundary", in: contentType), (1...70).contains(boundary.utf8.count) else {
            throw .malformedMultipart("the Content-Type names no boundary")
        }
        // The line break before a delimiter belongs to it.
        delimiter = Array("\r\n--\(boundary)".utf8)
        self.maximumText = maximumText
    }

    /// The text fields of a whole body; its files are passed over.
    static func fields(_ bytes: [UInt8], contentType: String) throws(FormError) -> FormFields {
        var reader = try MultipartReader(contentType: contentType, maximumText: .max)
        var fields = FormFields()
        for piece in try reader.read(bytes) + reader.finish() {
            guard case .field(let name, let value) = piece else { continue }
            guard fields.count < FormReader.maximumFields else { throw .tooManyFields(maximum: FormReader.maximumFields) }
            fields.append(name: name, value: value)
        }
        return fields
    }

    /// What these bytes complete.
    mutating func read(_ bytes: some Collection<UInt8>) throws(FormError) -> [Piece] {
        buffer.append(contentsOf: bytes)
        var pieces: [Piece] = []
        var position = 0
        while try step(&position, &pieces) {}
        buffer.removeFirst(position)
        return pieces
    }

    /// Says that no more bytes come. A last delimiter without its two hyphens is taken.
    mutating func finish() throws(FormError) -> [Piece] {
        switch state {
        case .finished: return []
        case .preamble: throw .malformedMultipart("the boundary does not occur")
        case .afterDelimiter where buffer.allSatisfy({ $0 == 13 || $0 == 10 || $0 == 45 }): return []
        case .head where buffer.isEmpty: return []
        case .afterDelimiter, .head, .text, .file: throw .malformedMultipart("the last part is not closed by its boundary")
        }
    }

    /// - Returns: false when more bytes are needed.
    private mutating func step(_ position: inout Int, _ pieces: inout [Piece]) throws(FormError) -> Bool {
        switch state {
        case .finished:
            position = buffer.count
            return false
        case .preamble:
            guard let found = find(delimiter, from: position) else {
                position = max(position, buffer.count - delimiter.count + 1)
                return false
            }
            position = found + delimiter.count
            state = .afterDelimiter
        case .afterDelimiter:
            guard buffer.count - position >= 2 else { return false }
            if buffer[position] == 45, buffer[position + 1] == 45 {
                state = .finished
            } else if buffer[position] == 13, buffer[position + 1] == 10 {
                state = .head
                position += 2
            } else {
                throw .malformedMultipart("the last part is not closed by its boundary")
            }
        case .head:
            guard let blank = find(Array("\r\n\r\n".utf8), from: position) else {
                guard buffer.count - position <= Self.maximumHead else { throw .malformedMultipart("a part has no headers") }
                return false
            }
            guard blank - position <= Self.maximumHead else { throw .malformedMultipart("a part's headers are too long") }
            let head = try Self.head(buffer[position..<blank])
            try count(head.name.utf8.count, of: head.name)
            position = blank + 4
            // An empty part's delimiter shares its line break with the end of the headers.
            if head.isFile || InlineMedia.isNamed(head.name) {
                pieces.append(head.isFile ? .fileBegin(field: head.name) : .inlineBegin(field: head.name))
                state = .file
            } else {
                state = .text(head.name)
            }
        case .text(let name):
            guard let end = partEnd(from: position) else {
                guard textBytes + buffer.count - position <= maximumText else { throw .fieldTooLarge(field: name) }
                return false
            }
            try count(end.last - position, of: name)
            guard let value = String(validating: buffer[position..<end.last], as: UTF8.self) else { throw .invalidUTF8(field: name) }
            pieces.append(.field(name: name, value: value))
            position = end.next
            state = .afterDelimiter
        case .file:
            guard let end = partEnd(from: position) else {
                // What could be the beginning of a delimiter stays.
                let sure = max(position, buffer.count - delimiter.count + 1)
                if sure > position { pieces.append(.fileBytes(Array(buffer[position..<sure]))) }
                position = sure
                return false
            }
            if end.last > position { pieces.append(.fileBytes(Array(buffer[position..<end.last]))) }
            pieces.append(.fileEnd)
            position = end.next
            state = .afterDelimiter
        }
        return true
    }

    private mutating func count(_ bytes: Int, of field: String) throws(FormError) {
        textBytes += bytes
        guard textBytes <= maximumText else { throw .fieldTooLarge(field: field) }
    }

    private func partEnd(from position: Int) -> (last: Int, next: Int)? {
        // A part without any byte: its delimiter stands right behind the blank line, whose break it shares.
        let early = max(position - 2, 0)
        guard let found = find(delimiter, from: early) else { return nil }
        return (max(position, found), found + delimiter.count)
    }

    private static func head(_ bytes: ArraySlice<UInt8>) throws(FormError) -> (name: String, isFile: Bool) {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n")
        guard let disposition = lines.first(where: { $0.lowercased().hasPrefix("content-disposition:") }),
            let name = parameter("name", in: String(disposition))
        else { throw .malformedMultipart("a part has no name") }
        // A documented client puts a space behind some names.
        return (CleanText.singleSpaced(name), parameter("filename", in: String(disposition)) != nil)
    }

    /// The value of `key=value` or `key="value"` in a header.
    private static func parameter(_ key: String, in header: String) -> String? {
        for piece in header.split(separator: ";").dropFirst() {
            let trimmed = piece.drop { $0 == " " }
            guard trimmed.lowercased().hasPrefix(key + "=") else { continue }
            let value = trimmed.dropFirst(key.count + 1)
            return value.first == "\"" ? String(value.dropFirst().prefix { $0 != "\"" }) : String(value.prefix { $0 != " " })
        }
        return nil
    }

    private func find(_ needle: [UInt8], from start: Int) -> Int? {
        buffer.withUnsafeBytes { bytes -> Int? in
            needle.withUnsafeBytes { wanted -> Int? in
                guard let base = bytes.baseAddress, let pattern = wanted.baseAddress, let first = wanted.first else { return nil }
                var position = start
                while position + wanted.count <= bytes.count {
                    let candidates = bytes.count - wanted.count - position + 1
                    guard let candidate = memchr(base + position, Int32(first), candidates) else { return nil }
                    let found = UnsafeRawPointer(candidate) - base
                    if memcmp(candidate, pattern, wanted.count) == 0 { return found }
                    position = found + 1
                }
                return nil
            }
        }
    }
}
