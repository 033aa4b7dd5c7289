#if canImport(Glibc)
    import Glibc
#endif

/// Text of one header line, for people: no line break and no other control character can be in it, so that nothing behind it becomes
/// a header of its own.
public struct HeaderText: Sendable, Hashable, CustomStringConvertible {
    public static let maximumBytes = 1_000

    public let text: String

    /// - Throws: ``MailValueError`` for a control character, and beyond 1,000 bytes of UTF-8.
    public init(validating text: String) throws(MailValueError) {
        guard text.utf8.count <= Self.maximumBytes else {
            throw MailValueError(name: "header text", problem: "may have \(Self.maximumBytes) bytes at most")
        }
        guard text.unicodeScalars.allSatisfy({ !Self.isControl($0) }) else {
            throw MailValueError(name: "header text", problem: "must not have line breaks or other control characters")
        }
        self.text = text
    }

    /// Any text on one line: each control character becomes a space, and what is too long is cut between two characters.
    public init(cleaning text: String) {
        var scalars = String.UnicodeScalarView()
        var bytes = 0
        for scalar in text.unicodeScalars {
            let kept = Self.isControl(scalar) ? " " : scalar
            bytes += UTF8.width(kept)
            if bytes > Self.maximumBytes { break }
            scalars.append(kept)
        }
        self.text = String(scalars)
    }

    public var description: String { text }

    /// C0, DEL, C1, and the separators of lines and paragraphs, which some programs break lines at.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 32 || (127...159).contains(scalar.value) || scalar.value == 0x2028 || scalar.value == 0x2029
    }

    /// As it stands behind `name: ` (RFC 5322), in encoded words (RFC 2047) unless it is short and plain ASCII.
    func encoded(after name: String) -> String {
        let isPlain = text.utf8.allSatisfy { (32..<127).contains($0) } && !text.contains("=?") && text.first != " " && text.last != " "
        return isPlain && name.utf8.count + 2 + text.utf8.count <= 76 ? text : encodedWords(firstLineTakes: name.utf8.count + 2)
    }

    /// As a display name in front of an address.
    func phrase(after name: String) -> String {
        let isAtoms = text.utf8.allSatisfy { MailAddress.isLetterOrDigit($0) || $0 == 32 || $0 == UInt8(ascii: "-") }
        let isShort = name.utf8.count + 2 + text.utf8.count <= 76
        return isAtoms && isShort && text.first != " " && text.last != " " ? text : encodedWords(firstLineTakes: name.utf8.count + 2)
    }

    /// At most 75 characters each, no character divided between two.
    private func encodedWords(firstLineTakes taken: Int) -> String {
        let (prefix, suffix) = ("=?UTF-8?B?", "?=")
        var words: [String] = []
        var chunk: [UInt8] = []
        // Of base64, whose fours carry three bytes each.
        var room = (76 - taken - prefix.utf8.count - suffix.utf8.count) / 4 * 3
        for scalar in text.unicodeScalars {
            let bytes = Array(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            if chunk.count + bytes.count > room {
                if !chunk.isEmpty { words.append(prefix + Base64.text(chunk) + suffix) }
                chunk = []
                room = (75 - prefix.utf8.count - suffix.utf8.count) / 4 * 3
            }
            chunk += bytes
        }
        if !chunk.isEmpty || words.isEmpty { words.append(prefix + Base64.text(chunk) + suffix) }
        return words.joined(separator: "\r\n ")
    }
}

/// RFC 4648, with padding.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func text(_ bytes: [UInt8]) -> String {
        var encoded: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << (16 - 8 * UInt32($1.offset)) }
            for position in 0..<4 {
                let isPadding = position > group.count
                encoded.append(isPadding ? UInt8(ascii: "=") : alphabet[Int(bits >> (18 - 6 * UInt32(position)) & 63)])
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }
}
