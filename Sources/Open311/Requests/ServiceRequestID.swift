/// A service request's identifier: decimal `YYMM` × 10⁹ + a number (`2611000004217`). Digits only, so every client copes; the
/// month in it names the partition that holds the row.
public struct ServiceRequestID: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let rawValue: Int64

    /// From the database, which only holds valid ones.
    public init(stored: Int64) { rawValue = stored }

    /// - Parameters:
    ///   - number: 0 to 999 999 999, from the database's sequence.
    ///   - moment: whose month in UTC stands in front.
    public init(number: Int64, at moment: Timestamp) {
        let civil = moment.civil
        rawValue = (Int64(civil.year % 100) * 100 + Int64(civil.month)) * Self.numbersPerMonth + number % Self.numbersPerMonth
    }

    /// Reads an id from a path or a form; nil when it cannot be one of ours (which then simply does not exist).
    public init?(parsing text: String) {
        guard (12...13).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }), let value = Int64(text),
            (1...12).contains(value / Self.numbersPerMonth % 100)
        else { return nil }
        rawValue = value
    }

    /// The first moment of the month in front, in UTC.
    public var beginningOfMonth: Timestamp {
        let month = rawValue / Self.numbersPerMonth
        return Timestamp(parsing: "20\(Self.twoDigits(month / 100))-\(Self.twoDigits(month % 100))-01T00:00:00Z") ?? Timestamp(seconds: 0)
    }

    private static func twoDigits(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }

    public static let numbersPerMonth: Int64 = 1_000_000_000

    public var description: String { String(rawValue) }
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
