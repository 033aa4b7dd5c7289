/// An event's identifier: a UUID of version 7 (RFC 9562), so that ids sort by the millisecond they were made in.
public struct EventID: Sendable, Hashable, CustomStringConvertible {
    public let high: UInt64
    public let low: UInt64

    /// From the database.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Makes a new one; 74 of its bits are random.
    public init(at moment: Timestamp) {
        var generator = SystemRandomNumberGenerator()
        self.init(at: moment, using: &generator)
    }

    /// - Parameter generator: cryptographically secure.
    public init(at moment: Timestamp, using generator: inout some RandomNumberGenerator) {
        let milliseconds = UInt64(clamping: moment.microseconds / 1_000)
        high = milliseconds << 16 | 0x7000 | generator.next() & 0x0FFF
        low = 0x8000_0000_0000_0000 | generator.next() >> 2
    }

    /// Reads the 36 characters of its text form; nil when it is no UUID of version 7.
    public init?(parsing text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 36 else { return nil }
        var words: [UInt64] = [0, 0]
        var place = 0
        for (index, digit) in digits.enumerated() {
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard digit == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let value = Character(Unicode.Scalar(digit)).hexDigitValue else { return nil }
            words[place / 16] = words[place / 16] << 4 | UInt64(value)
            place += 1
        }
        guard words[0] >> 12 & 0xF == 7 else { return nil }
        self.init(high: words[0], low: words[1])
    }

    /// The millisecond it was made in.
    public var moment: Timestamp { Timestamp(microseconds: Int64(high >> 16) * 1_000) }

    public var description: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the 36 characters of its text form.
    public func append(to bytes: inout [UInt8]) {
        for index in 0..<32 {
            if index == 8 || index == 12 || index == 16 || index == 20 { bytes.append(UInt8(ascii: "-")) }
            let word = index < 16 ? high : low
            let digit = UInt8(truncatingIfNeeded: word >> UInt64((15 - index % 16) * 4) & 15)
            bytes.append(digit < 10 ? 48 + digit : 87 + digit)
        }
    }
}
