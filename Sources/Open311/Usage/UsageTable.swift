/// One line of the table of statistics: a count, or a duration's percentile in seconds.
public struct UsageLine: Sendable, Equatable {
    /// When it begins, in the tenant's time: `2026-11-25 08:00`, `2026-11-25`, `2026-11`.
    public let starts: String
    public let measure: UsageMeasure
    public let service: String
    public let channel: String
    public let key: String
    /// A status, a reason, an operation; `p50` and so on of a duration.
    public let detail: String
    public let value: Double

    public init(starts: String, measure: UsageMeasure, service: String, channel: String, key: String, detail: String, value: Double) {
        self.starts = starts
        self.measure = measure
        self.service = service
        self.channel = channel
        self.key = key
        self.detail = detail
        self.value = value
    }
}

/// The statistics as CSV (RFC 4180), one line a count.
public enum UsageTable {
    public enum Step: String, Sendable, CaseIterable {
        case hour, day, month
    }

    public static let contentType = "text/csv; charset=utf-8; header=present"

    public static let heading = Array("tenant,starts,measure,service_code,service_name,channel,key,key_label,detail,value\r\n".utf8)

    /// - Parameters:
    ///   - names: of services by code.
    ///   - labels: of keys by public id.
    public static func csv(_ line: UsageLine, tenant: TenantKey, names: [String: String], labels: [String: String]) -> [UInt8] {
        let cells = [
            text(tenant.rawValue), text(line.starts), line.measure.rawValue, text(line.service), text(names[line.service] ?? ""),
            text(line.channel), text(line.key), text(labels[line.key] ?? ""), text(line.detail), DecimalForm.text(line.value),
        ]
        return Array((cells.joined(separator: ",") + "\r\n").utf8)
    }

    /// Always in quotes, unless empty. A spreadsheet takes a cell that begins with one of these for a formula, in quotes or not: an
    /// apostrophe makes it a text (OWASP, CSV injection).
    static func text(_ text: String) -> String {
        guard !text.isEmpty else { return "" }
        let isFormula = text.unicodeScalars.first.map { "=+-@\t\r\n|%＝＋－＠".unicodeScalars.contains($0) } ?? false
        return "\"" + (isFormula ? "'" : "") + text.replacing("\"", with: "\"\"") + "\""
    }

    /// Pieces of a period that are read one at a time: a year by the hour has more lines than should be in memory.
    public static func windows(of period: UsagePeriod, by step: Step) -> [(from: CivilDay, to: CivilDay)] {
        guard step != .month else { return [(period.from, period.to)] }
        return period.months.map { (max($0, period.from), min($0.addingMonths(1), period.to)) }
    }

    /// Lines from counts: buckets of one duration become its count and percentiles.
    ///
    /// - Parameter counts: sorted by all but the detail, so that the buckets of one duration stand together.
    public static func lines(_ counts: [UsageLine]) -> [UsageLine] {
        var lines: [UsageLine] = []
        var index = 0
        while index < counts.count {
            let first = counts[index]
            guard first.measure.isDuration else {
                lines.append(first.measure.isTime ? first.with(first.detail, first.value / 1e6) : first)
                index += 1
                continue
            }
            var histogram = DurationHistogram()
            while index < counts.count, counts[index].with("", 0) == first.with("", 0) {
                if let bucket = Int(counts[index].detail) { histogram.add(bucket: bucket, Int64(counts[index].value)) }
                index += 1
            }
            lines.append(first.with("count", Double(histogram.count)))
            for (name, rank) in UsageReport.percentiles {
                lines.append(first.with(name, ((histogram.percentile(rank) ?? 0) * 1e6).rounded() / 1e6))
            }
        }
        return lines
    }
}

extension UsageMeasure {
    /// Kept in microseconds, told in seconds.
    var isTime: Bool { [.watched, .consuming, .connected].contains(self) }
}

extension UsageLine {
    func with(_ detail: String, _ value: Double) -> UsageLine {
        UsageLine(starts: starts, measure: measure, service: service, channel: channel, key: key, detail: detail, value: value)
    }
}
