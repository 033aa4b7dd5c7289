import Foundation

/// When a tenant's people work: its hours, its public holidays, the days it has closed.
///
/// A connection is missed during the hours; a delay counts on open days only, midnight to midnight, so that what came on Friday at
/// five with a day to answer is late on Monday at five.
public struct ServiceCalendar: Sendable, Equatable {
    public var holidays = HolidayRegion.france
    /// Empty: day and night, holidays too.
    public var hours: [ServiceHours] = []
    public var closures: [DayRange] = []

    public init() {}

    /// Whether people work on the day at all. Without hours every day of the week but holidays and closures counts.
    public func isOpen(on day: CivilDay) -> Bool {
        guard !closures.contains(where: { $0.contains(day) }), !holidays.isHoliday(day) else { return false }
        return hours.isEmpty || hours.contains { $0.days.contains(day.weekday) }
    }

    /// Whether somebody should be connected now.
    public func isInService(at moment: Timestamp, in zone: LocalClock) -> Bool {
        let (day, minute) = zone.local(moment)
        guard !closures.contains(where: { $0.contains(day) }) else { return false }
        guard !hours.isEmpty else { return true }
        return !holidays.isHoliday(day) && hours.contains { $0.days.contains(day.weekday) && $0.minutes.contains(minute) }
    }

    /// Seconds between two moments in which somebody should have been connected; 0 when the second is not after the first.
    public func serviceSeconds(from start: Timestamp, to end: Timestamp, in zone: LocalClock) -> Int64 {
        if hours.isEmpty && closures.isEmpty { return max(0, end.seconds - start.seconds) }
        return seconds(from: start, to: end, in: zone, serviceMinutes)
    }

    /// Seconds of open days between two moments; 0 when the second is not after the first.
    public func openSeconds(from start: Timestamp, to end: Timestamp, in zone: LocalClock) -> Int64 {
        seconds(from: start, to: end, in: zone) { isOpen(on: $0) ? [Self.wholeDay] : [] }
    }

    private static let wholeDay = 0..<1_440

    /// - Parameter minutes: those of a day that count, in their order; they may overlap.
    private func seconds(from start: Timestamp, to end: Timestamp, in zone: LocalClock, _ minutes: (CivilDay) -> [Range<Int>]) -> Int64 {
        guard start < end else { return 0 }
        var sum: Int64 = 0
        var day = zone.local(start).day
        let last = zone.local(end).day
        while day <= last {
            let beginning = zone.beginning(of: day)
            let next = zone.beginning(of: day.adding(1))
            var until = start
            for part in minutes(day) {
                // Minutes of the clock on the wall: on the two days on which it is changed the day is an hour longer or shorter.
                let from = max(until, part.lowerBound == 0 ? beginning : zone.moment(of: day, minute: part.lowerBound))
                let to = min(end, part.upperBound == Self.wholeDay.upperBound ? next : zone.moment(of: day, minute: part.upperBound))
                sum += max(0, to.seconds - from.seconds)
                until = max(until, to)
            }
            day = day.adding(1)
        }
        return sum
    }

    private func serviceMinutes(of day: CivilDay) -> [Range<Int>] {
        guard !closures.contains(where: { $0.contains(day) }) else { return [] }
        guard !hours.isEmpty else { return [Self.wholeDay] }
        guard !holidays.isHoliday(day) else { return [] }
        return hours.filter { $0.days.contains(day.weekday) }.map(\.minutes).sorted { $0.lowerBound < $1.lowerBound }
    }

    /// The latest moment from which so many open days have passed by `end`.
    public func moment(openDays days: Int, before end: Timestamp, in zone: LocalClock) -> Timestamp {
        moment(openSeconds: Int64(days) * 86_400, before: end, in: zone)
    }

    /// The latest moment from which so many seconds of open days have passed by `end`.
    ///
    /// - Returns: at most two years before, for a tenant that never opens.
    public func moment(openSeconds wanted: Int64, before end: Timestamp, in zone: LocalClock) -> Timestamp {
        var left = wanted
        var day = zone.local(end).day
        var until = end
        for _ in 0..<731 {
            let beginning = zone.beginning(of: day)
            if isOpen(on: day) {
                let length = max(0, until.seconds - beginning.seconds)
                if length >= left { return until.adding(seconds: -left) }
                left -= length
            }
            until = beginning
            day = day.adding(-1)
        }
        return until
    }
}

/// What the clocks on a tenant's walls show.
public struct LocalClock: Sendable, Equatable {
    private let zone: TimeZone

    /// - Parameter name: IANA name; one that the system does not know counts as UTC.
    public init(_ name: String) { zone = TimeZone(identifier: name) ?? TimeZone(secondsFromGMT: 0) ?? .current }

    private func offset(_ seconds: Int64) -> Int64 {
        Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: TimeInterval(seconds))))
    }

    /// The day, and the minute of it.
    public func local(_ moment: Timestamp) -> (day: CivilDay, minute: Int) {
        let local = moment.seconds + offset(moment.seconds)
        let day = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
        return (CivilDay(number: Int(day)), Int((local - day * 86_400) / 60))
    }

    /// Its first moment, on days too on which the clocks are changed.
    public func beginning(of day: CivilDay) -> Timestamp { moment(of: day, minute: 0) }

    /// When they show that minute of the day.
    public func moment(of day: CivilDay, minute: Int) -> Timestamp {
        let wall = Int64(day.number) * 86_400 + Int64(minute) * 60
        var seconds = wall - offset(wall)
        seconds = wall - offset(seconds)
        return Timestamp(seconds: seconds)
    }
}

/// What is agreed with a tenant about time.
public struct ServiceTerms: Sendable, Equatable {
    public var calendar = ServiceCalendar()
    /// Hours of open days from the queue to the CRM's first word.
    public var acknowledgeWithinHours = 24
    /// Days, open ones, from there to the first progress that a citizen sees, and from each to the next.
    public var progressWithinDays = 30
    /// Of services that have their own.
    public var progressOfServices: [ServiceDelay] = []
    public var retention = RetentionPolicy()

    public init() {}
}

/// How many open days a service's requests may stand still, where that differs from the tenant's.
public struct ServiceDelay: Sendable, Hashable {
    public static let dayRange = 1...365

    public let code: ServiceCode
    public let days: Int

    public init(_ code: ServiceCode, days: Int) {
        self.code = code
        self.days = days
    }

    /// Reads `LAMP 10`: the service's code, and days.
    ///
    /// - Returns: nil for anything else, and for days out of range.
    public init?(_ text: String) {
        // A code may have spaces in it; the days have none.
        guard let space = text.lastIndex(of: " ") else { return nil }
        let number = text[text.index(after: space)...]
        guard (1...3).contains(number.utf8.count), number.utf8.allSatisfy({ (48...57).contains($0) }), let days = Int(number),
            Self.dayRange.contains(days), let code = try? ServiceCode(validating: String(text[..<space]))
        else { return nil }
        self.init(code, days: days)
    }

    public var description: String { "\(code.rawValue) \(days)" }
}
