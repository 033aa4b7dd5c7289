/// Hours on some days of every week, as in `mon-fri 08:30-17:00`.
public struct ServiceHours: Sendable, Hashable, CustomStringConvertible {
    /// 1 for Monday to 7 for Sunday.
    public let days: ClosedRange<Int>
    /// Minutes of the local day; the last is not in it any more, 1440 is midnight.
    public let minutes: Range<Int>

    private static let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

    /// - Returns: nil for everything that is not `day[-day] HH:MM-HH:MM` with a beginning before its end.
    public init?(_ text: some StringProtocol) {
        let words = text.split(separator: " ")
        guard words.count == 2 else { return nil }
        let days = words[0].split(separator: "-", omittingEmptySubsequences: false).map { Self.names.firstIndex(of: $0.lowercased()) }
        guard (1...2).contains(days.count), let first = days[0], let last = days[days.count - 1], first <= last else { return nil }
        let moments = words[1].split(separator: "-", omittingEmptySubsequences: false).map { Self.minute($0) }
        guard moments.count == 2, let from = moments[0], let to = moments[1], from < to else { return nil }
        self.days = (first + 1)...(last + 1)
        minutes = from..<to
    }

    private static func minute(_ text: some StringProtocol) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), minute < 60, hour * 60 + minute <= 1_440
        else { return nil }
        return hour * 60 + minute
    }

    public var description: String {
        func clock(_ minute: Int) -> String {
            let (hour, rest) = (minute / 60, minute % 60)
            return (hour < 10 ? "0" : "") + "\(hour):" + (rest < 10 ? "0" : "") + "\(rest)"
        }
        let first = Self.names[days.lowerBound - 1]
        return
            "\(first)\(days.count > 1 ? "-" + Self.names[days.upperBound - 1] : "") \(clock(minutes.lowerBound))-\(clock(minutes.upperBound))"
    }
}
