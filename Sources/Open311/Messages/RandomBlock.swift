#if canImport(Glibc)
    import Glibc
#endif

/// The system's random numbers, fetched by the block: one system call serves 32 numbers instead of one.
public struct RandomBlock: RandomNumberGenerator, Sendable {
    private var numbers: [UInt64] = []

    public init() {}

    public mutating func next() -> UInt64 {
        if numbers.isEmpty {
            numbers = [UInt64](repeating: 0, count: 32)
            // 256 bytes is the most that one call gives; on a kernel without it, the standard generator serves.
            let filled = numbers.withUnsafeMutableBytes { getentropy($0.baseAddress, $0.count) }
            if filled != 0 {
                var generator = SystemRandomNumberGenerator()
                for index in numbers.indices { numbers[index] = generator.next() }
            }
        }
        return numbers.removeLast()
    }
}
