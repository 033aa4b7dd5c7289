extension UsageReport {
    /// The report as JSON (docs/operators/statistics.md). Durations are seconds, shares are 0 to 1. Of a report for anybody, what is withheld
    /// has no member: a zero there is a zero.
    public var json: [UInt8] {
        var writer = JSONWriter(capacity: 65_536)
        writer.beginObject()
        writer.name("tenant")
        writer.value(tenant.rawValue)
        writer.name("city")
        writer.value(city)
        writer.name("from")
        writer.value(period.from.description)
        writer.name("to")
        writer.value(period.to.description)
        writer.name("time_zone")
        writer.value(timeZone)
        writer.name("counted_to")
        writer.value(countedTo as Timestamp?)
        writer.name("largest_error_of_percentiles")
        writer.value(DurationHistogram.largestError)
        writer.name("figures")
        write(current, period, to: &writer)
        writer.name("year_before")
        write(before, period.yearBefore, to: &writer)
        writer.endObject()
        return writer.bytes
    }

    private func write(_ figures: UsageFigures, _ period: UsagePeriod, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.name("from")
        writer.value(period.from.description)
        writer.name("to")
        writer.value(period.to.description)
        writer.name("totals")
        writer.beginObject()
        for measure in UsageMeasure.allCases where !measure.isDuration && ![.watched, .consuming, .connected].contains(measure) {
            guard !isPublic || figures.totals[measure] != nil else { continue }
            writer.name(escaping: measure.rawValue)
            writer.value(figures[measure])
        }
        writer.endObject()
        writer.name("durations")
        durations(UsageMeasure.durations, to: &writer) { figures.histogram($0) }
        writer.name("services")
        writer.beginArray()
        for code in Self.largestFirst(figures.by(.service, .requests), and: figures.by(.service, .updates)) {
            writer.beginObject()
            writer.name("service_code")
            writer.value(code)
            writer.name("service_name")
            writer.value(serviceNames[code])
            for measure in [UsageMeasure.requests, .withPhoto, .identified, .anonymous, .photos, .photoBytes, .updates] {
                let count = figures.by(.service, measure)[code]
                guard !isPublic || count != nil else { continue }
                writer.name(escaping: measure.rawValue)
                writer.value(count ?? 0)
            }
            if isPublic {
                writer.endObject()
                continue
            }
            writer.name("durations")
            durations([.delivery, .acknowledgement, .firstStatus, .closing], to: &writer) { figures.histogram($0, service: code) }
            writer.endObject()
        }
        writer.endArray()
        writer.name("channels")
        rows("channel", [.requests, .withPhoto, .identified, .anonymous], .channel, figures, to: &writer)
        if !isPublic {
            writer.name("keys")
            rows("key", [.calls, .taken, .duplicates, .refusals, .failures], .key, figures, to: &writer)
        }
        for measure in [UsageMeasure.statuses, .refusals, .duplicates, .calls, .failures, .messages, .messageFailures] {
            guard !isPublic || !figures.by(.detail, measure).isEmpty else { continue }
            writer.name(escaping: "by_" + (measure == .calls || measure == .failures ? measure.rawValue + "_operation" : measure.rawValue))
            writer.beginObject()
            for (value, count) in Self.sorted(figures.by(.detail, measure)) {
                writer.name(escaping: value)
                writer.value(count)
            }
            writer.endObject()
        }
        if !isPublic { connection(of: figures, to: &writer) }
        // Of a report for anybody a month stands on its first day.
        if !isPublic || !figures.days.isEmpty { self.days(of: figures, to: &writer) }
        if !isPublic || figures.profile.contains(where: { $0 > 0 }) {
            writer.name("requests_by_hour_of_week")
            writer.beginArray()
            for count in figures.profile { writer.value(count) }
            writer.endArray()
        }
        writer.endObject()
    }

    private func connection(of figures: UsageFigures, to writer: inout JSONWriter) {
        writer.name("crm")
        writer.beginObject()
        for (name, measure) in [
            ("watched_seconds", UsageMeasure.watched), ("consuming_seconds", .consuming), ("connected_seconds", .connected),
        ] {
            writer.name(escaping: name)
            writer.value((Double(figures[measure]) / 1e6).rounded())
        }
        writer.name("availability")
        if let share = figures.availability { writer.value(Self.rounded(share, 1e4)) } else { writer.null() }
        writer.endObject()
    }

    private func days(of figures: UsageFigures, to writer: inout JSONWriter) {
        writer.name("days")
        writer.beginObject()
        for (day, counts) in figures.days.sorted(by: { $0.key < $1.key }) {
            writer.name(escaping: day.description)
            writer.beginObject()
            for (measure, count) in counts.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where count != 0 {
                writer.name(escaping: measure.rawValue)
                writer.value(count)
            }
            writer.endObject()
        }
        writer.endObject()
    }

    private func rows(
        _ name: String, _ measures: [UsageMeasure], _ dimension: UsageFigures.Dimension, _ figures: UsageFigures,
        to writer: inout JSONWriter
    ) {
        let values = measures.map { figures.by(dimension, $0) }
        writer.beginArray()
        for value in Self.largestFirst(values[0], and: values.dropFirst().reduce(into: [:]) { $0.merge($1) { $0 + $1 } }) {
            writer.beginObject()
            writer.name(escaping: name)
            writer.value(value)
            if dimension == .key {
                writer.name("label")
                writer.value(keyLabels[value])
            }
            for (measure, counts) in zip(measures, values) where !isPublic || counts[value] != nil {
                writer.name(escaping: measure.rawValue)
                writer.value(counts[value] ?? 0)
            }
            writer.endObject()
        }
        writer.endArray()
    }

    private func durations(
        _ measures: [UsageMeasure], to writer: inout JSONWriter, _ histogram: (UsageMeasure) -> DurationHistogram
    ) {
        writer.beginObject()
        for measure in measures {
            let durations = histogram(measure)
            guard durations.count > 0 else { continue }
            writer.name(escaping: measure.rawValue)
            writer.beginObject()
            writer.name("count")
            writer.value(durations.count)
            for (name, rank) in Self.percentiles {
                writer.name(escaping: name)
                if let seconds = durations.percentile(rank) { writer.value(Self.rounded(seconds, 1e6)) } else { writer.null() }
            }
            writer.endObject()
        }
        writer.endObject()
    }

    static let percentiles = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)]

    private static func rounded(_ value: Double, _ parts: Double) -> Double { (value * parts).rounded() / parts }

    static func sorted(_ counts: [String: Int64]) -> [(key: String, value: Int64)] {
        counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    }

    /// Values of the first, then those that only the second has.
    static func largestFirst(_ counts: [String: Int64], and others: [String: Int64]) -> [String] {
        sorted(counts.merging(others.mapValues { _ in 0 }) { first, _ in first }).map(\.key)
    }
}
