import NIOCore
import Open311

/// Why the bytes of a form could not be read.
enum FormError: Error, Sendable, Equatable {
    case tooManyFields(maximum: Int)
    /// The field's name as far as it was readable.
    case invalidUTF8(field: String)
    case brokenEscape(field: String)
    /// All text fields together are too large; this one overran.
    case fieldTooLarge(field: String)
    case malformedMultipart(String)
    case malformedJSON(String)
}

/// Reads `application/x-www-form-urlencoded` bytes: the hot path, so by hand and without a copy. `+` and `%20` are both a space.
enum FormReader {
    static let maximumFields = 500

    static func fields(_ buffer: ByteBuffer) throws(FormError) -> FormFields {
        try buffer.withUnsafeReadableBytes { bytes in Result { () throws(FormError) in try fields(bytes.bindMemory(to: UInt8.self)) } }
            .get()
    }

    static func fields(_ bytes: [UInt8]) throws(FormError) -> FormFields {
        try bytes.withUnsafeBufferPointer { bytes in Result { () throws(FormError) in try fields(bytes) } }.get()
    }

    private static func fields(_ bytes: UnsafeBufferPointer<UInt8>) throws(FormError) -> FormFields {
        var fields = FormFields()
        var decoder = FormDecoder(longest: bytes.count)
        var start = 0
        while start < bytes.count {
            var end = start
            var equals = -1
            while end < bytes.count, bytes[end] != UInt8(ascii: "&") {
                if equals < 0, bytes[end] == UInt8(ascii: "=") { equals = end }
                end += 1
            }
            if end > start {
                guard fields.count < maximumFields else { throw .tooManyFields(maximum: maximumFields) }
                let name = try decoder.text(bytes[start..<(equals < 0 ? end : equals)], field: "")
                fields.append(name: name, value: equals < 0 ? "" : try decoder.text(bytes[(equals + 1)..<end], field: name))
            }
            start = end + 1
        }
        return fields
    }

    /// Undoes the escapes of one name or value.
    static func text(_ raw: [UInt8], field: String) throws(FormError) -> String {
        try raw.withUnsafeBufferPointer { bytes in
            Result { () throws(FormError) in
                var decoder = FormDecoder(longest: bytes.count)
                return try decoder.text(bytes[...], field: field)
            }
        }.get()
    }

    /// The value of a hexadecimal digit.
    static func nibble(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }

    /// Decodes one path segment; nil when it is broken.
    static func pathSegment(_ segment: Substring) -> String? {
        guard segment.utf8.contains(UInt8(ascii: "%")) else { return String(segment) }
        // A plus in a path is a plus.
        let escaped = segment.utf8.flatMap { $0 == UInt8(ascii: "+") ? Array("%2B".utf8) : [$0] }
        return escaped.withUnsafeBufferPointer { bytes in
            var decoder = FormDecoder(longest: bytes.count)
            return try? decoder.text(bytes[...], field: "")
        }
    }
}

/// Undoes the escapes of one name or value after the other, in one buffer.
private struct FormDecoder {
    private var decoded: [UInt8]

    /// - Parameter longest: bytes of the longest text.
    init(longest: Int) {
        decoded = []
        decoded.reserveCapacity(longest)
    }

    mutating func text(_ bytes: Slice<UnsafeBufferPointer<UInt8>>, field: String) throws(FormError) -> String {
        let source = UnsafeBufferPointer(rebasing: bytes)
        guard source.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else {
            guard let text = String(validating: source, as: UTF8.self) else { throw .invalidUTF8(field: field) }
            return text
        }
        decoded.removeAll(keepingCapacity: true)
        var index = 0
        while index < source.count {
            switch source[index] {
            case UInt8(ascii: "+"): decoded.append(32)
            case UInt8(ascii: "%"):
                guard index + 2 < source.count, let high = FormReader.nibble(source[index + 1]),
                    let low = FormReader.nibble(source[index + 2])
                else { throw .brokenEscape(field: field) }
                decoded.append(high << 4 | low)
                index += 2
            case let byte: decoded.append(byte)
            }
            index += 1
        }
        guard let text = String(validating: decoded, as: UTF8.self) else { throw .invalidUTF8(field: field) }
        return text
    }
}
