#if canImport(Glibc)
    import Glibc
#endif

/// Durations counted in buckets that grow by a tenth, so that the counts of hours, services and years can be added.
///
/// Bucket `b` holds what lasted from 1.1^b to 1.1^(b+1) microseconds; the value told for it is less than 4.8 % away from each of them
/// (as DDSketch does it). `bus311_usage_bucket` in the database is the same rule.
public struct DurationHistogram: Sendable, Equatable {
    public private(set) var counts: [Int: Int64] = [:]

    public static let growth = 1.1
    /// Of any percentile, relative to a duration that was really measured.
    public static let largestError = (growth - 1) / (growth + 1)

    public init() {}

    public mutating func add(bucket: Int, _ count: Int64) { counts[bucket, default: 0] += count }

    public mutating func add(_ other: DurationHistogram) {
        counts.merge(other.counts) { $0 + $1 }
    }

    public static func bucket(ofMicroseconds value: Int64) -> Int {
        value <= 1 ? 0 : Int((log(Double(value)) / log(growth)).rounded(.down))
    }

    public var count: Int64 { counts.values.reduce(0, +) }

    /// - Parameter rank: 0.5 for the median.
    /// - Returns: seconds; nil when nothing was measured.
    public func percentile(_ rank: Double) -> Double? {
        let total = count
        guard total > 0 else { return nil }
        let wanted = max(1, Int64((rank * Double(total)).rounded(.up)))
        var seen: Int64 = 0
        for (bucket, count) in counts.sorted(by: { $0.key < $1.key }) {
            seen += count
            if seen >= wanted { return 2 * pow(Self.growth, Double(bucket + 1)) / (Self.growth + 1) / 1e6 }
        }
        return nil
    }
}
