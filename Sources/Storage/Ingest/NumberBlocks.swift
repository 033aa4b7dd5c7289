import NIOConcurrencyHelpers

/// Numbers for new service requests, taken from the database in blocks of 64; what a stopped gateway had left is never used.
final class NumberBlocks: Sendable {
    static let blockSize: Int64 = 64
    private let numbers = NIOLockedValueBox<[ClosedRange<Int64>]>([])

    /// How many blocks to fetch so that `count` numbers are there; none while they are, else some ahead.
    func blocksNeeded(for count: Int) -> Int32 {
        let available = numbers.withLockedValue { $0.reduce(0) { $0 + $1.count } }
        guard available < count else { return 0 }
        return Int32((Int64(count * 4 - available) + Self.blockSize - 1) / Self.blockSize)
    }

    func add(blocks: [Int64]) {
        numbers.withLockedValue { $0.append(contentsOf: blocks.map { $0...($0 + Self.blockSize - 1) }) }
    }

    /// The next number, or nil when there is none left.
    func take() -> Int64? {
        numbers.withLockedValue { ranges in
            guard let first = ranges.first else { return nil }
            if first.count == 1 { ranges.removeFirst() } else { ranges[0] = (first.lowerBound + 1)...first.upperBound }
            return first.lowerBound
        }
    }
}
