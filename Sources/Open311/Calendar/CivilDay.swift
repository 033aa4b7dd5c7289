/// A day of the Gregorian calendar, wherever it is.
public struct CivilDay: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Days since 1970-01-01.
    public let number: Int

    public init(number: Int) { self.number = number }

    /// - Returns: nil when there is no such day.
    public init?(year: Int, month: Int, day: Int) {
        guard let date = CivilDate(year: year, month: month, day: day) else { return nil }
        number = Int(date.secondsSince1970 / 86_400) - (date.secondsSince1970 % 86_400 < 0 ? 1 : 0)
    }

    /// - Parameter text: `2026-12-24`.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].utf8.count == 4, parts[1].utf8.count == 2, parts[2].utf8.count == 2,
            parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }), let year = Int(parts[0]), let month = Int(parts[1]),
            let day = Int(parts[2])
        else { return nil }
        self.init(year: year, month: month, day: day)
    }

    public var civil: CivilDate { CivilDate(secondsSince1970: Int64(number) * 86_400) }
    /// 1 for Monday to 7 for Sunday.
    public var weekday: Int { (number % 7 + 7 + 3) % 7 + 1 }

    public func adding(_ days: Int) -> CivilDay { CivilDay(number: number + days) }
    public static func < (left: CivilDay, right: CivilDay) -> Bool { left.number < right.number }

    public var description: String {
        let date = civil
        func padded(_ value: Int, _ width: Int) -> String {
            String(repeating: "0", count: max(0, width - String(value).count)) + "\(value)"
        }
        return "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))"
    }
}

/// Days on which nobody works, the last one included.
public struct DayRange: Sendable, Hashable, CustomStringConvertible {
    public let first: CivilDay
    public let last: CivilDay

    public init?(first: CivilDay, last: CivilDay) {
        guard first <= last else { return nil }
        self.first = first
        self.last = last
    }

    /// - Parameter text: `2026-12-24`, or `2026-12-24..2027-01-02`.
    public init?(_ text: some StringProtocol) {
        guard let dots = text.firstIndex(of: ".") else {
            guard let day = CivilDay(text) else { return nil }
            self.init(first: day, last: day)
            return
        }
        guard text[dots...].hasPrefix(".."), let first = CivilDay(text[..<dots]), let last = CivilDay(text[dots...].dropFirst(2)) else {
            return nil
        }
        self.init(first: first, last: last)
    }

    public func contains(_ day: CivilDay) -> Bool { first <= day && day <= last }
    public var description: String { first == last ? "\(first)" : "\(first)..\(last)" }
}
