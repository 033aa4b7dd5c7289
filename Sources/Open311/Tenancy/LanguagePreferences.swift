/// In which languages a caller wants to be answered, best first.
public struct LanguagePreferences: Sendable, Equatable {
    public let wanted: [Language]

    /// `locale` first, then `Accept-Language` by its weights (RFC 9110, 12.5.4). What cannot be read never fails: it is left out.
    ///
    /// - Parameters:
    ///   - locale: CitySDK's argument, as in `fr`, `fr_FR` or `fr-fr`.
    ///   - accept: the header's value.
    public init(locale: String?, accept: String?) {
        var weighted: [(language: Language, weight: Double)] = []
        for range in (accept ?? "").split(separator: ",").prefix(Self.maximumRanges) {
            let parts = range.split(separator: ";").map { $0.filter { $0 != " " } }
            guard let tag = parts.first, let language = Language(parsing: tag) else { continue }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            if weight > 0 { weighted.append((language, weight)) }
        }
        // Sorting is stable in effect: equal weights keep their order through the offset.
        let accepted = weighted.enumerated().sorted { ($0.element.weight, -$0.offset) > ($1.element.weight, -$1.offset) }
        wanted = (locale.flatMap { Language(parsing: $0) }.map { [$0] } ?? []) + accepted.map(\.element.language)
    }

    private static let maximumRanges = 16

    /// The order in which to look for a text: the best two wanted languages among those that exist, then the tenant's own.
    /// Few orders exist, so answers in each can be kept.
    ///
    /// - Parameter available: the languages of which any text exists.
    public func order(for tenant: Tenant, available: Set<Language>) -> [Language] {
        let matching = wanted.lazy.compactMap { Self.match($0, among: available) }
        var order: [Language] = []
        for language in matching where !order.contains(language) {
            order.append(language)
            if order.count == 2 { break }
        }
        for language in tenant.languages where !order.contains(language) { order.append(language) }
        return order
    }

    /// As asked, without its region, or with any region.
    private static func match(_ wanted: Language, among available: Set<Language>) -> Language? {
        if available.contains(wanted) { return wanted }
        if available.contains(wanted.primary) { return wanted.primary }
        return available.filter { $0.primary == wanted.primary }.min { $0.rawValue < $1.rawValue }
    }
}
