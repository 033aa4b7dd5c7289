/// Writes Prometheus's text form into one buffer: a thousand tenants are tens of thousands of lines.
struct ExpositionWriter {
    private var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(65_536) }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    mutating func begin(_ name: String, _ kind: MetricFamily.Kind, help: String?) {
        raw("# HELP ")
        raw(name)
        raw(" ")
        raw(help ?? name.replacing("_", with: " "))
        raw("\n# TYPE ")
        raw(name)
        raw(" ")
        raw(kind.rawValue)
        raw("\n")
    }

    /// - Parameter labels: `name="value",…`, escaped; empty for none.
    mutating func sample(_ name: String, _ labels: String, _ value: Double) {
        raw(name)
        if !labels.isEmpty {
            raw("{")
            raw(labels)
            raw("}")
        }
        end(value)
    }

    /// - Parameter counts: of each bucket alone, one more than there are bounds.
    mutating func histogram(_ name: String, _ labels: String, bounds: [Double], counts: [UInt64], sum: Double) {
        var total: UInt64 = 0
        for (index, count) in counts.enumerated() {
            total += count
            raw(name)
            raw("_bucket{")
            raw(labels)
            if !labels.isEmpty { raw(",") }
            raw("le=\"")
            if index < bounds.count { number(bounds[index]) } else { raw("+Inf") }
            raw("\"}")
            end(Double(total))
        }
        sample(name + "_sum", labels, sum)
        sample(name + "_count", labels, Double(total))
    }

    private mutating func end(_ value: Double) {
        raw(" ")
        number(value)
        raw("\n")
    }

    /// Whole numbers without a point, which is also faster.
    private mutating func number(_ value: Double) {
        if let whole = Int64(exactly: value), whole.magnitude < 1 << 53 { raw(String(whole)) } else { raw(value.description) }
    }

    private mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }
}
