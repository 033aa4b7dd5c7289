import Foundation

/// What becomes of text from outside before it is stored, so that every wire format can carry it and equal words are equal bytes.
public enum CleanText {
    /// In Unicode's form NFC, and without the characters that XML 1.0 or PostgreSQL cannot hold; line breaks and tabs stay.
    public static func withoutControls(_ text: String) -> String {
        composed(printable(text))
    }

    /// Without the characters that XML 1.0 or PostgreSQL cannot hold, and otherwise as it is: on the way out.
    public static func printable(_ text: String) -> String {
        // Almost every text is clean: look before copying.
        guard mayHoldForbidden(text) else { return text }
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars where !isForbidden(scalar) { scalars.append(scalar) }
        return String(scalars)
    }

    /// In NFC: an e with an accent behind it becomes é. Whatever composes, or is not composed, begins with CC (U+0300) or above.
    private static func composed(_ text: String) -> String {
        var text = text
        guard text.withUTF8({ bytes in bytes.contains { $0 >= 0xCC } }) else { return text }
        return text.precomposedStringWithCanonicalMapping
    }

    /// On one line: line breaks become spaces, the ends are trimmed.
    public static func singleSpaced(_ text: String) -> String {
        let utf8 = text.utf8
        guard utf8.first == 32 || utf8.last == 32 || mayHoldForbidden(text) else { return composed(text) }
        var scalars = String.UnicodeScalarView()
        for scalar in withoutControls(text).unicodeScalars {
            scalars.append(scalar.value == 10 || scalar.value == 13 || scalar.value == 9 ? " " : scalar)
        }
        var line = String(scalars)[...]
        while line.first == " " { line.removeFirst() }
        while line.last == " " { line.removeLast() }
        return String(line)
    }

    /// Whether a text has more than so many Unicode scalars; they are counted only when its bytes could be that many.
    public static func isLonger(_ text: String, than maximum: Int) -> Bool {
        text.utf8.count > maximum && text.unicodeScalars.count > maximum
    }

    /// A look at the bytes: below space, DEL, or EF as U+FFFE and U+FFFF begin (so do a few that are welcome).
    private static func mayHoldForbidden(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in bytes.contains { $0 < 32 || $0 == 127 || $0 == 0xEF } }
    }

    private static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 9, 10, 13: false
        case 0..<32, 127, 0xFFFE, 0xFFFF: true
        default: false
        }
    }
}

/// Decimal numbers as forms carry them.
public enum DecimalText {
    /// `-?digits(.digits)?`, at most 40 characters: no exponent, no other separator.
    static func isDecimal(_ text: String) -> Bool {
        let body = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
        guard !body.isEmpty, body.count <= 40 else { return false }
        let parts = body.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count <= 2 && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy { (48...57).contains($0) } }
    }

    /// The value of such a text, spaces around it and a plus before it aside; nil for anything else.
    public static func number(_ text: String) -> Double? {
        let trimmed = CleanText.singleSpaced(text)
        let signed = trimmed.utf8.first == UInt8(ascii: "+") ? String(trimmed.dropFirst()) : trimmed
        return isDecimal(signed) ? Double(signed) : nil
    }
}

/// Addresses on the web.
public enum WebAddress {
    /// `http://` or `https://`, then a host, at most 2,000 characters, no space and nothing a page would have to escape.
    public static func isAbsolute(_ text: String) -> Bool {
        guard text.utf8.count <= 2_000, let scheme = ["http://", "https://"].first(where: { text.lowercased().hasPrefix($0) }) else {
            return false
        }
        let rest = text.dropFirst(scheme.count)
        guard let first = rest.unicodeScalars.first, first != "/", first != "?", first != "#", first != ":" else { return false }
        return !rest.unicodeScalars.contains { $0.value <= 32 || $0 == "<" || $0 == ">" || $0 == "\"" || $0 == "\\" || $0.value == 127 }
    }
}
