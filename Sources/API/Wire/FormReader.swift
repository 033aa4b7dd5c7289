import Open311

/// Why the bytes of a form could not be read.
enum FormError: Error, Sendable, Equatable {
    case tooManyFields(maximum: Int)
    /// The field's name as far as it was readable.
    case invalidUTF8(field: String)
    case brokenEscape(field: String)
    case malformedMultipart(String)
}

/// Reads `application/x-www-form-urlencoded` bytes: the hot path, so by hand. `+` and `%20` are both a space.
enum FormReader {
    static let maximumFields = 500

    static func fields(_ bytes: some RandomAccessCollection<UInt8>) throws(FormError) -> FormFields {
        var fields = FormFields()
        guard !bytes.isEmpty else { return fields }
        for pair in bytes.split(separator: UInt8(ascii: "&")) {
            guard fields.count < maximumFields else { throw .tooManyFields(maximum: maximumFields) }
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            let name = try text(parts[0], field: "")
            fields.append(name: name, value: parts.count > 1 ? try text(parts[1], field: name) : "")
        }
        return fields
    }

    private static func text(_ bytes: some RandomAccessCollection<UInt8>, field: String) throws(FormError) -> String {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index != bytes.endIndex {
            let byte = bytes[index]
            index = bytes.index(after: index)
            switch byte {
            case UInt8(ascii: "+"): decoded.append(32)
            case UInt8(ascii: "%"):
                guard let high = nibble(bytes, &index), let low = nibble(bytes, &index) else { throw .brokenEscape(field: field) }
                decoded.append(high << 4 | low)
            default: decoded.append(byte)
            }
        }
        guard let text = String(validating: decoded, as: UTF8.self) else { throw .invalidUTF8(field: field) }
        return text
    }

    private static func nibble<Bytes: RandomAccessCollection<UInt8>>(_ bytes: Bytes, _ index: inout Bytes.Index) -> UInt8? {
        guard index != bytes.endIndex else { return nil }
        defer { index = bytes.index(after: index) }
        switch bytes[index] {
        case let digit where (48...57).contains(digit): return digit - 48
        case let letter where (65...70).contains(letter & 0xDF): return (letter & 0xDF) - 55
        default: return nil
        }
    }

    /// Decodes one path segment; nil when it is broken.
    static func pathSegment(_ segment: Substring) -> String? {
        // A plus in a path is a plus.
        let escaped = segment.utf8.flatMap { $0 == UInt8(ascii: "+") ? Array("%2B".utf8) : [$0] }
        return try? text(escaped, field: "")
    }
}
