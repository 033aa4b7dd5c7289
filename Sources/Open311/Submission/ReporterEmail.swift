/// An e-mail address as citizens' apps send it. Laxer than ``EmailAddress``, because names in other alphabets are people's too: they are
/// stored, and only not written to. What could become a second address, a header or a command of its own is refused.
public enum ReporterEmail {
    public static let maximumLength = 320

    /// - Parameter raw: as it came; spaces and line ends around it do not count.
    /// - Returns: nil when there is none.
    /// - Throws: the field's ``Fault``.
    public static func read(_ raw: String?) throws(Fault) -> String? {
        var text = (raw ?? "")[...]
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        guard !text.isEmpty else { return nil }
        guard !CleanText.isLonger(String(text), than: maximumLength) else {
            throw Fault(field: "email", problem: .tooLong(maximum: maximumLength))
        }
        let scalars = text.unicodeScalars
        guard scalars.allSatisfy({ !isForbidden($0) }), scalars.count(where: { $0 == "@" }) == 1, scalars.first != "@", scalars.last != "@"
        else { throw Fault(field: "email", problem: .notAnEmailAddress) }
        return String(text)
    }

    private static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar.value <= 32 || scalar.value == 127 || "<>()[],;:\\\"".unicodeScalars.contains(scalar) }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator, .surrogate, .unassigned, .privateUse: return true
        default: return false
        }
    }
}
