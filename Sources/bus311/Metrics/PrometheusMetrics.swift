import CoreMetrics
import NIOConcurrencyHelpers

/// Keeps every metric of the process and writes them in Prometheus's text form. Names and labels are ours; values are all that
/// changes, so memory is bounded by the code, and by the number of tenants where a label names them.
final class PrometheusMetrics: MetricsFactory {
    /// One name with one set of labels. Every handle of it works on the same cell, without looking anything up.
    private final class Cell: CounterHandler, FloatingPointCounterHandler, RecorderHandler, TimerHandler {
        struct Series {
            var value: Double = 0
            var sum: Double = 0
            var buckets: [UInt64] = []
            /// A handle that was made and never used is not shown.
            var isUsed = false
        }

        private let kind: MetricFamily.Kind
        private let bounds: [Double]
        private let series = NIOLockedValueBox(Series())

        init(_ kind: MetricFamily.Kind, bounds: [Double]) {
            self.kind = kind
            self.bounds = bounds
        }

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
                if series.buckets.isEmpty { series.buckets = [UInt64](repeating: 0, count: bounds.count + 1) }
                series.buckets[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
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

    /// Takes what is recorded and shows nothing: a gauge of one tenant, where tenants are not told apart.
    private final class Nowhere: RecorderHandler {
        func record(_ value: Int64) {}
        func record(_ value: Double) {}
    }

    private struct Family {
        let kind: MetricFamily.Kind
        let bounds: [Double]
        var series: [String: Cell] = [:]
    }

    private let families = NIOLockedValueBox<[String: Family]>([:])
    private let tellsTenants: Bool

    /// - Parameter tellsTenants: whether series have the label `tenant`. Without it counters and histograms are sums over all tenants,
    ///   and gauges of a tenant are not shown: a sum of them says nothing.
    init(tellsTenants: Bool = true) { self.tellsTenants = tellsTenants }

    // MARK: Factory

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler { cell(label, dimensions, .counter) }

    func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        cell(label, dimensions, .counter)
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard tellsTenants || aggregate || !dimensions.contains(where: { $0.0 == Self.tenant }) else { return Nowhere() }
        return cell(label, dimensions, aggregate ? .histogram : .gauge)
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { cell(label, dimensions, .histogram) }
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}

    private static let tenant = "tenant"

    private func cell(_ name: String, _ dimensions: [(String, String)], _ kind: MetricFamily.Kind) -> Cell {
        let shown = tellsTenants ? dimensions : dimensions.filter { $0.0 != Self.tenant }
        let labels = shown.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        return families.withLockedValue { families in
            // A name keeps the kind it had first: a scrape with two kinds would be refused as a whole.
            if let cell = families[name]?.series[labels] { return cell }
            let kind = families[name]?.kind ?? kind
            let bounds = families[name]?.bounds ?? MetricFamily.bounds(of: name)
            let cell = Cell(kind, bounds: bounds)
            families[name, default: Family(kind: kind, bounds: bounds)].series[labels] = cell
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
        var writer = ExpositionWriter()
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            let used = family.series.sorted { $0.key < $1.key }.map { (labels: $0.key, series: $0.value.now) }.filter(\.series.isUsed)
            if used.isEmpty { continue }
            writer.begin(name, family.kind, help: MetricFamily.help[name])
            for (labels, series) in used {
                if family.kind == .histogram {
                    writer.histogram(name, labels, bounds: family.bounds, counts: series.buckets, sum: series.sum)
                } else {
                    writer.sample(name, labels, series.value)
                }
            }
        }
        return writer.text + ProcessMetrics.exposition()
    }
}
