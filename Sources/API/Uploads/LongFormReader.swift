import Open311

/// Reads an `application/x-www-form-urlencoded` body that is longer than a form may be, because photos stand in it as base64: those
/// pass through, everything else stays within the limit. Shorter bodies are ``FormReader``'s.
struct LongFormReader: BodyReader {
    private enum State {
        case name
        case value(of: String)
        case media
    }

    private let maximumText: Int
    private var state = State.name
    private var text: [UInt8] = []
    private var textBytes = 0
    /// The beginning of an escape whose rest has not come.
    private var escape: [UInt8] = []

    private static let maximumName = 1_024

    /// - Parameter maximumText: of everything but photos, as it is sent, in bytes.
    init(maximumText: Int) { self.maximumText = maximumText }

    mutating func read(_ bytes: some Collection<UInt8>) throws(FormError) -> [MultipartReader.Piece] {
        var pieces: [MultipartReader.Piece] = []
        var passing: [UInt8] = []
        for byte in bytes {
            if case .media = state, byte != UInt8(ascii: "&") {
                try unescape(byte, into: &passing)
                continue
            }
            if byte == UInt8(ascii: "&") {
                pass(&passing, into: &pieces)
                try end(&pieces)
            } else if case .name = state, byte == UInt8(ascii: "=") {
                let name = try FormReader.text(text, field: "")
                text.removeAll(keepingCapacity: true)
                if InlineMedia.isNamed(name) {
                    state = .media
                    pieces.append(.inlineBegin(field: name))
                } else {
                    state = .value(of: name)
                }
            } else {
                try count()
                text.append(byte)
            }
        }
        pass(&passing, into: &pieces)
        return pieces
    }

    mutating func finish() throws(FormError) -> [MultipartReader.Piece] {
        var pieces: [MultipartReader.Piece] = []
        try end(&pieces)
        return pieces
    }

    private func pass(_ bytes: inout [UInt8], into pieces: inout [MultipartReader.Piece]) {
        guard !bytes.isEmpty else { return }
        pieces.append(.fileBytes(bytes))
        bytes.removeAll(keepingCapacity: true)
    }

    private mutating func end(_ pieces: inout [MultipartReader.Piece]) throws(FormError) {
        switch state {
        case .name where text.isEmpty: break
        case .name: pieces.append(.field(name: try FormReader.text(text, field: ""), value: ""))
        case .value(let name): pieces.append(.field(name: name, value: try FormReader.text(text, field: name)))
        case .media:
            guard escape.isEmpty else { throw .brokenEscape(field: "media") }
            pieces.append(.fileEnd)
        }
        text.removeAll(keepingCapacity: true)
        state = .name
    }

    private mutating func count() throws(FormError) {
        textBytes += 1
        guard textBytes <= maximumText else { throw .fieldTooLarge(field: field) }
        if case .name = state, text.count >= Self.maximumName { throw .fieldTooLarge(field: field) }
    }

    /// The field that is being read, as far as it is known.
    private var field: String {
        switch state {
        case .name: String(decoding: text.prefix(64), as: UTF8.self)
        case .value(let name): String(name.prefix(100))
        case .media: "media"
        }
    }

    private mutating func unescape(_ byte: UInt8, into output: inout [UInt8]) throws(FormError) {
        if escape.isEmpty {
            switch byte {
            case UInt8(ascii: "%"): escape.append(byte)
            case UInt8(ascii: "+"): output.append(32)
            default: output.append(byte)
            }
            return
        }
        guard FormReader.nibble(byte) != nil else { throw .brokenEscape(field: "media") }
        guard escape.count == 2 else {
            escape.append(byte)
            return
        }
        if let high = FormReader.nibble(escape[1]), let low = FormReader.nibble(byte) { output.append(high << 4 | low) }
        escape.removeAll(keepingCapacity: true)
    }
}
