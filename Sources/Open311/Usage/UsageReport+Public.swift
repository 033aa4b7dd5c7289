extension UsageReport {
    /// What anybody may see: nothing that tells of fewer than ``UsageFigures/smallestPublic`` requests, and nothing of how the city works.
    ///
    /// - Services, channels and statuses with fewer are put together, with the next larger ones until together they are enough; so a
    ///   difference to the total tells nothing either.
    /// - With and without photo, with and without a name: both or neither.
    /// - Months and hours are shown only when each of them, or nothing at all, is enough; days never.
    /// - Percentiles come from as many durations at least.
    /// - Keys, calls, refusals, messages and the CRM's connection are left out.
    public func forPublic(other: String) -> UsageReport {
        var report = self
        report.isPublic = true
        report.current = current.forPublic(period)
        report.before = before.forPublic(period.yearBefore)
        report.keyLabels = [:]
        report.serviceNames[UsageFigures.others] = other
        return report
    }
}

extension UsageFigures {
    /// No group that is shown to anybody is smaller.
    public static let smallestPublic: Int64 = 5
    /// Stands for the groups that are too small to be shown.
    public static let others = "*"

    func forPublic(_ period: UsagePeriod) -> UsageFigures {
        var shown = UsageFigures()
        guard self[.requests] >= Self.smallestPublic else { return shown }
        shown.add(total: self[.requests], .requests)
        for part in [UsageMeasure.withPhoto, .identified, .anonymous] where Self.isPublic(self[part], of: self[.requests]) {
            shown.add(total: self[part], part)
        }
        for measure in [UsageMeasure.requests, .statuses] {
            for dimension in measure == .requests ? [Dimension.service, .channel] : [.detail] {
                for (value, count) in Self.gathered(by(dimension, measure)) { shown.add(count, measure, dimension, value) }
            }
        }
        for measure in [UsageMeasure.acknowledgement, .firstStatus, .closing] {
            let durations = histogram(measure)
            guard durations.count >= Self.smallestPublic else { continue }
            // Of all services only: of one they would tell of the others by difference.
            for (bucket, count) in durations.counts { shown.add(count, measure, .detail, String(bucket)) }
            shown.add(total: durations.count, measure)
        }
        // On the first day of each month, for the sums by month.
        let months = period.months.map { month in
            (
                month: max(month, period.from),
                count: sum(.requests, from: max(month, period.from), to: min(month.addingMonths(1), period.to))
            )
        }
        if months.allSatisfy({ $0.count == 0 || $0.count >= Self.smallestPublic }) {
            for (month, count) in months where count > 0 { shown.add(count, .requests, on: month) }
        }
        if profile.allSatisfy({ $0 == 0 || $0 >= Self.smallestPublic }) {
            for (hour, count) in profile.enumerated() { shown.add(count, hourOfWeek: hour) }
        }
        return shown
    }

    private static func isPublic(_ part: Int64, of whole: Int64) -> Bool {
        [part, whole - part].allSatisfy { $0 == 0 || $0 >= smallestPublic }
    }

    /// The same sum in groups that are all large enough.
    static func gathered(_ counts: [String: Int64]) -> [String: Int64] {
        var kept: [String: Int64] = [:]
        var rest: Int64 = 0
        for (value, count) in counts.sorted(by: { ($0.value, $0.key) < ($1.value, $1.key) }) where count > 0 {
            if count < smallestPublic || rest > 0 && rest < smallestPublic { rest += count } else { kept[value] = count }
        }
        if rest >= smallestPublic { kept[others] = rest }
        return kept
    }
}
