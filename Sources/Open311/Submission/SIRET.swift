/// The number of an establishment in the French register: 14 digits that check themselves.
public enum SIRET {
    /// La Poste numbers its own establishments; their check is another.
    private static let laPoste = "356000000"

    /// Reads one as people write it, with spaces or dots.
    ///
    /// - Returns: the 14 digits; nil when they are not that many or their check digit is wrong.
    public static func digits(_ text: String) -> String? {
        let digits = text.filter { $0 != " " && $0 != "." && $0 != "\u{A0}" && $0 != "\u{202F}" }
        guard digits.utf8.count == 14, digits.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        let values = digits.utf8.map { Int($0) - 48 }
        if hasValidLuhnSum(values) { return digits }
        return digits.hasPrefix(laPoste) && values.reduce(0, +).isMultiple(of: 5) ? digits : nil
    }

    /// ISO/IEC 7812: every second digit from the right counts double, less nine when that is two digits.
    private static func hasValidLuhnSum(_ values: [Int]) -> Bool {
        let sum = values.reversed().enumerated().reduce(0) { sum, entry in
            let (place, digit) = entry
            let weighted = place.isMultiple(of: 2) ? digit : digit * 2
            return sum + (weighted > 9 ? weighted - 9 : weighted)
        }
        return sum > 0 && sum.isMultiple(of: 10)
    }
}
