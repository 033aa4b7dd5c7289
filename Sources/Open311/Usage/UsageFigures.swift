/// What is counted. The raw value is the measure's name in the database, in JSON and in CSV.
public enum UsageMeasure: String, Sendable, CaseIterable {
    // Of requests: by service and channel.
    case requests, withPhoto = "with_photo", identified, anonymous, photos, photoBytes = "photo_bytes"
    // Of CRMs' updates: by service and channel of the request.
    case updates, statuses
    // Durations, by service.
    case delivery, acknowledgement, firstStatus = "first_status", closing
    /// Of the gateway's answers to submissions.
    case answer
    // Of calls: by key.
    case taken, calls, duplicates, refusals, failures
    case bytesIn = "bytes_in", bytesOut = "bytes_out", mediaServed = "media_served"
    // Messages to the CRM.
    case messages, messageFailures = "message_failures"
    // Of the CRM's connection, in microseconds.
    case watched, consuming = "crm_consuming", connected = "crm_connected"

    public static let durations: [UsageMeasure] = [.answer, .delivery, .acknowledgement, .firstStatus, .closing]
    public var isDuration: Bool { Self.durations.contains(self) }
}

/// What happened in a period, added up.
public struct UsageFigures: Sendable, Equatable {
    public enum Dimension: Sendable, Hashable {
        case service, channel, key, detail
    }

    struct Group: Sendable, Hashable {
        let measure: UsageMeasure
        let dimension: Dimension
    }

    public private(set) var totals: [UsageMeasure: Int64] = [:]
    private var groups: [Group: [String: Int64]] = [:]
    private var histograms: [UsageMeasure: DurationHistogram] = [:]
    private var serviceHistograms: [UsageMeasure: [String: DurationHistogram]] = [:]
    /// By the tenant's days; a day without anything is not there.
    public private(set) var days: [CivilDay: [UsageMeasure: Int64]] = [:]
    /// Requests by hour of the week: 0 is Monday from midnight to one.
    public private(set) var profile = [Int64](repeating: 0, count: 168)

    public init() {}

    public subscript(_ measure: UsageMeasure) -> Int64 { totals[measure] ?? 0 }

    /// By value of a dimension, without what is empty.
    public func by(_ dimension: Dimension, _ measure: UsageMeasure) -> [String: Int64] {
        groups[Group(measure: measure, dimension: dimension)] ?? [:]
    }

    public func histogram(_ measure: UsageMeasure) -> DurationHistogram { histograms[measure] ?? DurationHistogram() }
    public func histogram(_ measure: UsageMeasure, service: String) -> DurationHistogram {
        serviceHistograms[measure]?[service] ?? DurationHistogram()
    }

    // MARK: Filling

    public mutating func add(total: Int64, _ measure: UsageMeasure) { totals[measure, default: 0] += total }

    public mutating func add(_ count: Int64, _ measure: UsageMeasure, _ dimension: Dimension, _ value: String) {
        if dimension == .detail, measure.isDuration {
            if let bucket = Int(value) { histograms[measure, default: DurationHistogram()].add(bucket: bucket, count) }
            return
        }
        guard !value.isEmpty else { return }
        groups[Group(measure: measure, dimension: dimension), default: [:]][value, default: 0] += count
    }

    public mutating func add(_ count: Int64, _ measure: UsageMeasure, service: String, bucket: Int) {
        add(total: count, measure)
        histograms[measure, default: DurationHistogram()].add(bucket: bucket, count)
        serviceHistograms[measure, default: [:]][service, default: DurationHistogram()].add(bucket: bucket, count)
    }

    public mutating func add(_ count: Int64, _ measure: UsageMeasure, on day: CivilDay) {
        days[day, default: [:]][measure, default: 0] += count
    }

    public mutating func add(_ count: Int64, hourOfWeek: Int) {
        if profile.indices.contains(hourOfWeek) { profile[hourOfWeek] += count }
    }

    // MARK: Asking

    /// Of a part of the days.
    public func sum(_ measure: UsageMeasure, from: CivilDay, to: CivilDay) -> Int64 {
        (from.number..<max(from.number, to.number)).reduce(0) { $0 + (days[CivilDay(number: $1)]?[measure] ?? 0) }
    }

    /// 0 to 1; nil when nobody watched.
    public var availability: Double? { Self.share(self[.consuming], of: self[.watched]) }

    public static func share(_ part: Int64, of whole: Int64) -> Double? { whole > 0 ? Double(part) / Double(whole) : nil }
}

/// A tenant's period beside the same days a year before.
public struct UsageReport: Sendable, Equatable {
    public let tenant: TenantKey
    public let city: String
    public let timeZone: String
    public let language: Language
    public let period: UsagePeriod
    /// What happened before this moment is in it.
    public let countedTo: Timestamp
    public var current: UsageFigures
    public var before: UsageFigures
    /// Services' names by code, and keys' labels by public id.
    public var serviceNames: [String: String]
    public var keyLabels: [String: String]
    /// Made for anybody: see ``forPublic(other:)``.
    public internal(set) var isPublic = false

    public init(
        tenant: TenantKey, city: String, timeZone: String, language: Language, period: UsagePeriod, countedTo: Timestamp,
        current: UsageFigures, before: UsageFigures, serviceNames: [String: String], keyLabels: [String: String]
    ) {
        self.tenant = tenant
        self.city = city
        self.timeZone = timeZone
        self.language = language
        self.period = period
        self.countedTo = countedTo
        self.current = current
        self.before = before
        self.serviceNames = serviceNames
        self.keyLabels = keyLabels
    }

    /// What is compared with the year before: the whole of both periods, or, while this one goes on, both up to the day that is not whole yet.
    ///
    /// - Parameter measure: one that is counted by day.
    /// - Returns: nil where that day is not shown: in public there are months only.
    func comparison(_ measure: UsageMeasure) -> (now: Int64, before: Int64, isWhole: Bool)? {
        let today = LocalClock(timeZone).local(countedTo).day
        guard today < period.to else {
            return (current[measure], before[measure], true)
        }
        guard !isPublic else { return nil }
        let past = period.yearBefore
        return (
            current.sum(measure, from: period.from, to: today), before.sum(measure, from: past.from, to: min(today.yearBefore, past.to)),
            false
        )
    }
}
