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

    /// Seconds of open days between two moments; 0 when the second is not after the first.
    public func openSeconds(from start: Timestamp, to end: Timestamp, in zone: LocalClock) -> Int64 {
        guard start < end else { return 0 }
        var sum: Int64 = 0
        var day = zone.local(start).day
        let last = zone.local(end).day
        while day <= last {
            if isOpen(on: day) {
                let from = max(start, zone.beginning(of: day))
                let to = min(end, zone.beginning(of: day.adding(1)))
                sum += max(0, to.seconds - from.seconds)
            }
            day = day.adding(1)
        }
        return sum
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
    public func beginning(of day: CivilDay) -> Timestamp {
        let midnight = Int64(day.number) * 86_400
        var seconds = midnight - offset(midnight)
        seconds = midnight - offset(seconds)
        return Timestamp(seconds: seconds)
    }
}

/// What is agreed with a tenant about time.
public struct ServiceTerms: Sendable, Equatable {
    public var calendar = ServiceCalendar()
    /// Hours of open days from the queue to the CRM's first word.
    public var acknowledgeWithinHours = 24
    /// Days, open ones, from there to the first progress that a citizen sees.
    public var progressWithinDays = 30
    public var retention = RetentionPolicy()

    public init() {}
}
