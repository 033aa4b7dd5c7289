extension Timestamp {
    /// `YYYY-MM-DDThh:mm:ssZ`: whole seconds, no fraction, as every known client reads it (GeoReport v2, "Dates").
    public var iso8601: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(20)
        appendISO8601(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends ``iso8601`` without making a string.
    public func appendISO8601(to bytes: inout [UInt8]) {
        let civil = self.civil
        func two(_ value: Int) {
            bytes.append(UInt8(truncatingIfNeeded: 48 + value / 10 % 10))
            bytes.append(UInt8(truncatingIfNeeded: 48 + value % 10))
        }
        two(civil.year / 100)
        two(civil.year)
        bytes.append(UInt8(ascii: "-"))
        two(civil.month)
        bytes.append(UInt8(ascii: "-"))
        two(civil.day)
        bytes.append(UInt8(ascii: "T"))
        two(civil.hour)
        bytes.append(UInt8(ascii: ":"))
        two(civil.minute)
        bytes.append(UInt8(ascii: ":"))
        two(civil.second)
        bytes.append(UInt8(ascii: "Z"))
    }

    /// Reads the forms that clients really send (GeoReport reference 2.4): `Z`, `±hh:mm`, `±hhmm`, fractions, minutes only,
    /// a date alone, no zone (taken as UTC), lower-case `t` and `z`, and a space where an unescaped `+` stood.
    ///
    /// - Parameter dateOnlyOffset: seconds east of UTC at which a date alone begins (midnight in the tenant's zone).
    /// - Returns: nil for anything else.
    public init?(parsing text: String, dateOnlyOffset: Int64 = 0) {
        var reader = DigitReader(Array(text.utf8))
        guard let year = reader.number(digits: 4), reader.skip(UInt8(ascii: "-")), let month = reader.number(digits: 2),
            reader.skip(UInt8(ascii: "-")), let day = reader.number(digits: 2)
        else { return nil }
        if reader.isAtEnd {
            guard let date = CivilDate(year: year, month: month, day: day) else { return nil }
            self.init(seconds: date.secondsSince1970 - dateOnlyOffset)
            return
        }
        guard reader.skip(anyOf: [UInt8(ascii: "T"), UInt8(ascii: "t"), UInt8(ascii: " ")]), let hour = reader.number(digits: 2),
            reader.skip(UInt8(ascii: ":")), let minute = reader.number(digits: 2)
        else { return nil }
        var second = 0
        var fraction: Int64 = 0
        if reader.skip(UInt8(ascii: ":")) {
            guard let value = reader.number(digits: 2) else { return nil }
            second = value
            if reader.skip(anyOf: [UInt8(ascii: "."), UInt8(ascii: ",")]) {
                guard let value = reader.fractionInMicroseconds() else { return nil }
                fraction = value
            }
        }
        guard let date = CivilDate(year: year, month: month, day: day, hour: hour, minute: minute, second: second),
            let offset = reader.zoneOffset(), reader.isAtEnd
        else { return nil }
        self.init(microseconds: (date.secondsSince1970 - offset) * 1_000_000 + fraction)
    }
}

/// Reads fixed-width decimal fields from bytes.
private struct DigitReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func skip(_ byte: UInt8) -> Bool { skip(anyOf: [byte]) }

    mutating func skip(anyOf wanted: [UInt8]) -> Bool {
        guard position < bytes.count, wanted.contains(bytes[position]) else { return false }
        position += 1
        return true
    }

    mutating func number(digits: Int) -> Int? {
        guard position + digits <= bytes.count else { return nil }
        var value = 0
        for index in position..<position + digits {
            guard (48...57).contains(bytes[index]) else { return nil }
            value = value * 10 + Int(bytes[index] - 48)
        }
        position += digits
        return value
    }

    mutating func fractionInMicroseconds() -> Int64? {
        var value: Int64 = 0
        var count = 0
        while position < bytes.count, (48...57).contains(bytes[position]) {
            if count < 6 { value = value * 10 + Int64(bytes[position] - 48) }
            count += 1
            position += 1
        }
        guard (1...12).contains(count) else { return nil }
        for _ in count..<max(count, 6) { value *= 10 }
        return value
    }

    /// Seconds east of UTC; an absent zone is UTC.
    mutating func zoneOffset() -> Int64? {
        if isAtEnd || skip(anyOf: [UInt8(ascii: "Z"), UInt8(ascii: "z")]) { return 0 }
        let sign: Int64
        if skip(anyOf: [UInt8(ascii: "+"), UInt8(ascii: " ")]) {
            sign = 1
        } else if skip(UInt8(ascii: "-")) {
            sign = -1
        } else {
            return nil
        }
        guard let hours = number(digits: 2), hours <= 14 else { return nil }
        _ = skip(UInt8(ascii: ":"))
        if isAtEnd { return sign * Int64(hours) * 3_600 }
        guard let minutes = number(digits: 2), minutes <= 59 else { return nil }
        return sign * Int64(hours * 3_600 + minutes * 60)
    }
}
