import CoreMetrics
import NIOConcurrencyHelpers

/// Keeps every metric of the process and writes them in Prometheus's text form. Names and labels are ours; values are all that
/// changes, so memory is bounded by the code.
final class PrometheusMetrics: MetricsFactory {
    private enum Kind: String { case counter, gauge, histogram }

    private struct Series {
        var value: Double = 0
        var sum: Double = 0
        var buckets: [UInt64] = []
        /// A handle that was made and never used is not shown.
        var isUsed = false
    }

    private struct Family {
        let kind: Kind
        var series: [String: Cell] = [:]
    }

    /// One name with one set of labels. Every handle of it works on the same cell, without looking anything up.
    private final class Cell: CounterHandler, FloatingPointCounterHandler, RecorderHandler, TimerHandler {
        private let kind: Kind
        private let series = NIOLockedValueBox(Series())

        init(_ kind: Kind) { self.kind = kind }

        var now: Series { series.withLockedValue { $0 } }

        func increment(by amount: Int64) { increment(by: Double(amount)) }
        func increment(by amount: Double) { change { $0.value += amount } }
        func reset() { change { $0.value = 0 } }
        func record(_ value: Int64) { record(Double(value)) }
        func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

        func record(_ value: Double) {
            change { series in
                guard kind == .histogram else {
                    series.value = value
                    return
                }
                if series.buckets.isEmpty { series.buckets = [UInt64](repeating: 0, count: PrometheusMetrics.bounds.count + 1) }
                series.buckets[PrometheusMetrics.bounds.firstIndex { value <= $0 } ?? PrometheusMetrics.bounds.count] += 1
                series.sum += value
            }
        }

        private func change(_ body: (inout Series) -> Void) {
            series.withLockedValue { series in
                series.isUsed = true
                body(&series)
            }
        }
    }

    private let families = NIOLockedValueBox<[String: Family]>([:])

    /// Upper bounds in seconds.
    private static let bounds: [Double] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    private static let help = [
        "o311_http_requests_total": "HTTP requests answered.",
        "o311_http_request_duration_seconds": "Time from a request's head to its answer.",
        "o311_requests_created_total": "Service requests stored.",
        "o311_status_updates_total": "Lifecycle updates received.",
        "o311_outbox_pending": "Events that wait for the broker.",
        "o311_outbox_oldest_age_seconds": "Age of the oldest event that waits.",
        "o311_relay_published_total": "Events that the broker confirmed.",
        "o311_relay_failures_total": "Events or connections that failed on the way to the broker.",
        "o311_relay_leader": "Whether this process leads the shard.",
        "o311_relay_confirm_duration_seconds": "Time from publishing an event to the broker's confirm.",
        "o311_relay_connection_state": "The shard's connection to the broker: 0 none, 1 open, 2 blocked by the broker.",
        "o311_relay_blocked_seconds_total": "Time for which the broker had blocked publishing.",
        "o311_outbox_parked": "Events that wait for a person.",
        "o311_dependency_up": "Whether what a service needs was there when last asked.",
        "o311_queue_consumers": "Consumers of a tenant's request queue.",
        "o311_queue_messages": "Messages in a tenant's request queue, in consumers' hands included.",
        "o311_queue_incidents_total": "Messages that left a queue and nobody took them: occasions, not messages.",
        "o311_config_drift": "Differences between a tenant's objects on the broker and what provisioning makes.",
        "o311_build_info": "The version that runs.",
    ]

    // MARK: Factory

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler { cell(label, dimensions, .counter) }

    func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        cell(label, dimensions, .counter)
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        cell(label, dimensions, aggregate ? .histogram : .gauge)
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { cell(label, dimensions, .histogram) }
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}

    private func cell(_ name: String, _ dimensions: [(String, String)], _ kind: Kind) -> Cell {
        let labels = dimensions.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        return families.withLockedValue { families in
            var family = families[name] ?? Family(kind: kind)
            // A name keeps the kind it had first: a scrape with two kinds would be refused as a whole.
            let cell = family.series[labels] ?? Cell(family.kind)
            family.series[labels] = cell
            families[name] = family
            return cell
        }
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    // MARK: Text

    /// The exposition format 0.0.4, with what the operating system says of this process.
    func exposition() -> String {
        let families = self.families.withLockedValue { $0 }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            let used = family.series.sorted { $0.key < $1.key }.map { (labels: $0.key, series: $0.value.now) }.filter(\.series.isUsed)
            if used.isEmpty { continue }
            text += "# HELP \(name) \(Self.help[name] ?? name.replacing("_", with: " "))\n# TYPE \(name) \(family.kind.rawValue)\n"
            for (labels, series) in used { text += Self.lines(name, labels, family.kind, series) }
        }
        return text + ProcessMetrics.exposition()
    }

    private static func lines(_ name: String, _ labels: String, _ kind: Kind, _ series: Series) -> String {
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        guard kind == .histogram else { return "\(name)\(braces) \(series.value)\n" }
        var text = ""
        var total: UInt64 = 0
        for (index, count) in series.buckets.enumerated() {
            total += count
            let bound = index < bounds.count ? "\(bounds[index])" : "+Inf"
            text += "\(name)_bucket{\(labels)\(labels.isEmpty ? "" : ",")le=\"\(bound)\"} \(total)\n"
        }
        return text + "\(name)_sum\(braces) \(series.sum)\n\(name)_count\(braces) \(total)\n"
    }
}
