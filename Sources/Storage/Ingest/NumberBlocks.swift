import NIOConcurrencyHelpers

/// Numbers for new service requests, taken from the database in blocks of 64; what a stopped gateway had left is never used.
final class NumberBlocks: Sendable {
    static let blockSize: Int64 = 64
    private let numbers = NIOLockedValueBox<[ClosedRange<Int64>]>([])

    /// How many blocks hold `count` numbers, and some for the callers of the next group.
    static func blocks(for count: Int) -> Int32 { Int32((Int64(count) * 4 + blockSize - 1) / blockSize) }

    func add(_ block: ClosedRange<Int64>) { numbers.withLockedValue { $0.append(block) } }

    /// The next number, or nil when there is none left.
    func take() -> Int64? {
        numbers.withLockedValue { ranges in
            guard let first = ranges.first else { return nil }
            if first.count == 1 { ranges.removeFirst() } else { ranges[0] = (first.lowerBound + 1)...first.upperBound }
            return first.lowerBound
        }
    }
}
