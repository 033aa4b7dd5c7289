/// A language of answers: a primary language subtag, with a region where it matters (`fr`, `en`, `nl-BE`).
public struct Language: Sendable, Hashable, CustomStringConvertible {
    /// Lower-case language, upper-case region, joined by a hyphen.
    public let rawValue: String

    /// Accepts `fr`, `FR`, `fr_FR`, `fr-fr`; nil for anything that is no such tag.
    public init?(parsing text: String) {
        let parts = text.split(whereSeparator: { $0 == "-" || $0 == "_" })
        guard let primary = parts.first, (2...3).contains(primary.utf8.count), parts.count <= 3,
            parts.allSatisfy({ $0.utf8.count <= 8 && $0.utf8.allSatisfy { (97...122).contains($0 | 32) || (48...57).contains($0) } })
        else { return nil }
        let region = parts.dropFirst().first { $0.utf8.count == 2 }
        rawValue = primary.lowercased() + (region.map { "-" + $0.uppercased() } ?? "")
    }

    private init(_ known: String) { rawValue = known }

    public static let french = Language("fr")
    public static let english = Language("en")

    /// The language without its region.
    public var primary: Language {
        guard let hyphen = rawValue.firstIndex(of: "-") else { return self }
        return Language(String(rawValue[..<hyphen]))
    }

    public var description: String { rawValue }
}

/// A text in one or more languages.
public struct LocalizedText: Sendable, Equatable {
    public var translations: [Language: String]

    public init(_ translations: [Language: String]) { self.translations = translations }

    /// The text in the first of these languages that has it, each without its region if need be; then in any (by tag, so that
    /// the choice is stable). Nil only when there is none at all.
    public func text(in order: [Language]) -> String? { text(in: nil, fallback: order) }

    /// The text in the first language that has it: as asked, without its region, then each fall-back, then any (by tag, so
    /// that the choice is stable). Nil only when there is none at all.
    public func text(in language: Language?, fallback: [Language]) -> String? {
        for candidate in [language].compactMap({ $0 }) + fallback {
            if let text = translations[candidate] ?? translations[candidate.primary] { return text }
        }
        return translations.min { $0.key.rawValue < $1.key.rawValue }?.value
    }
}
