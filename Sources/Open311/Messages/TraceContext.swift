/// A call's place in a trace, as W3C's `traceparent` header says it: `00-<32 hex>-<16 hex>-<2 hex>`.
public struct TraceContext: Sendable, Hashable, CustomStringConvertible {
    /// The trace's id, 16 bytes in two halves; not zero.
    public let high: UInt64
    public let low: UInt64
    /// The id of the step that calls; not zero.
    public let span: UInt64
    public let flags: UInt8

    public init?(high: UInt64, low: UInt64, span: UInt64, flags: UInt8) {
        guard high | low != 0, span != 0 else { return nil }
        self.high = high
        self.low = low
        self.span = span
        self.flags = flags
    }

    /// Reads a header as the recommendation says (Trace Context, 3.2): of version 00 exactly, of a later one what version 00 has.
    ///
    /// - Returns: nil for what is no `traceparent`: a new trace begins then.
    public init?(parsing text: String) {
        let bytes = Array(text.utf8.prefix(256))
        guard bytes.count >= 55, bytes[2] == Self.dash, bytes[35] == Self.dash, bytes[52] == Self.dash,
            let version = Self.number(bytes[0..<2]), version != 0xFF, version == 0 ? text.utf8.count == 55 : true,
            bytes.count == 55 || bytes[55] == Self.dash, let high = Self.number(bytes[3..<19]), let low = Self.number(bytes[19..<35]),
            let span = Self.number(bytes[36..<52]), let flags = Self.number(bytes[53..<55])
        else { return nil }
        self.init(high: high, low: low, span: span, flags: UInt8(truncatingIfNeeded: flags))
    }

    /// A new trace, not sampled by anybody yet.
    public static func random(using generator: inout some RandomNumberGenerator) -> TraceContext {
        while true {
            if let made = TraceContext(high: generator.next(), low: generator.next(), span: generator.next(), flags: 0) { return made }
        }
    }

    /// The next step of the same trace.
    public func child(using generator: inout some RandomNumberGenerator) -> TraceContext {
        TraceContext(high: high, low: low, span: max(1, generator.next()), flags: flags) ?? self
    }

    private static let dash = UInt8(ascii: "-")

    /// Lower-case digits only: the recommendation allows no others.
    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }

    /// The trace's id alone, 16 bytes.
    public var traceID: [UInt8] {
        withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { Array($0) }
    }

    public var description: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(55)
        func append(_ value: UInt64, _ digits: Int) {
            for place in stride(from: (digits - 1) * 4, through: 0, by: -4) {
                let digit = UInt8(truncatingIfNeeded: value >> UInt64(place) & 0xF)
                bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
        append(0, 2)
        bytes.append(Self.dash)
        append(high, 16)
        append(low, 16)
        bytes.append(Self.dash)
        append(span, 16)
        bytes.append(Self.dash)
        append(UInt64(flags), 2)
        return String(decoding: bytes, as: UTF8.self)
    }
}
