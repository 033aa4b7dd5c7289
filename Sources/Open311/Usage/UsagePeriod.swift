/// Days of a tenant's own calendar: the first one, and the one after the last.
public struct UsagePeriod: Sendable, Hashable {
    public let from: CivilDay
    public let to: CivilDay

    /// Ten years: a report is held in memory.
    public static let longestDays = 3_660

    public init(from: CivilDay, to: CivilDay) throws(InvalidValue) {
        guard from < to else { throw InvalidValue(name: "from", problem: "must be before to, which is left out") }
        guard to.number - from.number <= Self.longestDays else {
            throw InvalidValue(name: "from", problem: "must be at most \(Self.longestDays) days before to")
        }
        self.from = from
        self.to = to
    }

    /// - Parameters:
    ///   - from: `2026-01-01`; nil for the first of the month eleven months before the last one.
    ///   - to: left out of the period; nil for the end of the month that `today` is in.
    public init(from: String?, to: String?, today: CivilDay) throws(InvalidValue) {
        func day(_ text: String, _ name: String) throws(InvalidValue) -> CivilDay {
            guard let day = CivilDay(text) else { throw InvalidValue(name: name, problem: "must be a day, as in 2026-01-31") }
            return day
        }
        let end = try to.map { (text) throws(InvalidValue) in try day(text, "to") } ?? today.firstOfMonth.addingMonths(1)
        let start = try from.map { (text) throws(InvalidValue) in try day(text, "from") } ?? end.adding(-1).firstOfMonth.addingMonths(-11)
        try self.init(from: start, to: end)
    }

    /// Whether it begins and ends with a month: then the sums by month serve.
    public var isWholeMonths: Bool { from.civil.day == 1 && to.civil.day == 1 }

    /// The same days a year before; what has no such day (29 February) begins the day after.
    public var yearBefore: UsagePeriod {
        let start = from.yearBefore
        return (try? UsagePeriod(from: start, to: max(start.adding(1), to.yearBefore))) ?? self
    }

    /// The first day of each month that it touches.
    public var months: [CivilDay] {
        var found: [CivilDay] = []
        var month = from.firstOfMonth
        while month < to {
            found.append(month)
            month = month.addingMonths(1)
        }
        return found
    }
}

extension CivilDay {
    var firstOfMonth: CivilDay { adding(1 - civil.day) }

    /// - Returns: the first day of another month.
    func addingMonths(_ count: Int) -> CivilDay {
        let date = civil
        let months = date.year * 12 + date.month - 1 + count
        return CivilDay(year: months / 12, month: months % 12 + 1, day: 1) ?? self
    }

    var yearBefore: CivilDay {
        let date = civil
        return CivilDay(year: date.year - 1, month: date.month, day: date.day) ?? CivilDay(year: date.year - 1, month: 3, day: 1) ?? self
    }
}
