/// Where a tenant's public holidays come from, by the French labour code: L3133-1 everywhere, L3134-13 in Alsace and Moselle, L3422-2
/// overseas. What a territory keeps by custom only (Good Friday in the Antilles, for one) is written as a closure.
public enum HolidayRegion: String, Sendable, Hashable, CaseIterable {
    case none
    case france
    /// With Good Friday, which the law gives to communes with a Protestant church, and 26 December.
    case alsaceMoselle = "alsace-moselle"
    case guadeloupe, martinique, guyane
    case reunion = "la-reunion"
    case mayotte
    case saintBarthelemy = "saint-barthelemy"
    case saintMartin = "saint-martin"

    /// The day on which the abolition of slavery is kept.
    private var abolition: (month: Int, day: Int)? {
        switch self {
        case .guadeloupe: (5, 27)
        case .martinique: (5, 22)
        case .guyane: (6, 10)
        case .reunion: (12, 20)
        case .mayotte: (4, 27)
        case .saintBarthelemy: (10, 9)
        case .saintMartin: (5, 28)
        case .none, .france, .alsaceMoselle: nil
        }
    }

    /// - Parameter year: from 1583, when the calendar is the one of today.
    public func holidays(in year: Int) -> Set<CivilDay> {
        guard self != .none, let easter = Self.easter(year) else { return [] }
        var fixed = [(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)]
        if let abolition { fixed.append((abolition.month, abolition.day)) }
        // Monday after Easter, Ascension, Monday after Whitsun.
        var moving = [1, 39, 50]
        if self == .alsaceMoselle {
            fixed.append((12, 26))
            moving.append(-2)
        }
        return Set(fixed.compactMap { CivilDay(year: year, month: $0.0, day: $0.1) } + moving.map { easter.adding($0) })
    }

    public func isHoliday(_ day: CivilDay) -> Bool { self != .none && holidays(in: day.civil.year).contains(day) }

    /// Easter Sunday of the Gregorian calendar, by the anonymous computation that Meeus gives.
    public static func easter(_ year: Int) -> CivilDay? {
        guard year >= 1583 else { return nil }
        let a = year % 19
        let (b, c) = (year / 100, year % 100)
        let (d, e) = (b / 4, b % 4)
        let g = (8 * b + 13) / 25
        let h = (19 * a + b - d - g + 15) % 30
        let (i, k) = (c / 4, c % 4)
        let l = (32 + 2 * e + 2 * i - h - k) % 7
        let m = (a + 11 * h + 22 * l) / 451
        let sum = h + l - 7 * m + 114
        return CivilDay(year: year, month: sum / 31, day: sum % 31 + 1)
    }
}
