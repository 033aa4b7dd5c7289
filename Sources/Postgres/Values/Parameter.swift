/// A value bound to a statement, sent in PostgreSQL's binary format. Its type must be the one that the statement expects at
/// that place: `.int32` for `integer`, `.int64` for `bigint`, and so on.
public enum Parameter: Sendable {
    case null
    case bool(Bool)
    case int16(Int16)
    case int32(Int32)
    case int64(Int64)
    case double(Double)
    case text(String)
    case bytes([UInt8])
    /// `uuid`, as its two halves.
    case uuid(high: UInt64, low: UInt64)
    /// `timestamptz`, in microseconds since 1970-01-01T00:00:00Z; the ends of the range are minus infinity and infinity.
    case timestamp(Int64)
    /// `jsonb`, as JSON text.
    case json([UInt8])

    case texts([String?])
    case bools([Bool])
    case int16s([Int16])
    case int32s([Int32])
    case int64s([Int64])
    case doubles([Double?])
    case byteStrings([[UInt8]?])
    case uuids([(high: UInt64, low: UInt64)])
    case timestamps([Int64?])
    case jsons([[UInt8]?])

    public static func text(_ value: String?) -> Parameter { value.map { .text($0) } ?? .null }
    public static func timestamp(_ value: Int64?) -> Parameter { value.map { .timestamp($0) } ?? .null }
    public static func double(_ value: Double?) -> Parameter { value.map { .double($0) } ?? .null }
    public static func int64(_ value: Int64?) -> Parameter { value.map { .int64($0) } ?? .null }
}

/// Object identifiers of the types that arrays name (`pg_type`).
private enum TypeID {
    static let bool: Int32 = 16
    static let bytea: Int32 = 17
    static let int8: Int32 = 20
    static let int2: Int32 = 21
    static let int4: Int32 = 23
    static let text: Int32 = 25
    static let float8: Int32 = 701
    static let timestamptz: Int32 = 1184
    static let uuid: Int32 = 2950
    static let jsonb: Int32 = 3802
}

/// Moments on the wire: microseconds from 2000-01-01, whose ends are PostgreSQL's infinities.
enum WireMoment {
    private static let epoch: Int64 = 946_684_800_000_000

    /// - Parameter microseconds: since 1970; `max` is infinity, `min` and what lies below the wire's range is minus infinity.
    static func encoded(_ microseconds: Int64) -> Int64 {
        let (value, overflows) = microseconds.subtractingReportingOverflow(epoch)
        return microseconds == .max ? .max : overflows ? .min : value
    }

    /// - Returns: microseconds since 1970; what lies beyond 64 bits of them is `max`.
    static func decoded(_ value: Int64) -> Int64 {
        let (microseconds, overflows) = value.addingReportingOverflow(epoch)
        return value == .min ? .min : overflows ? .max : microseconds
    }
}

/// The bytes of one statement's parameters, one after the other, with where each begins.
struct ParameterBytes {
    private(set) var bytes: [UInt8] = []
    /// Start and length of each; a length of −1 is null.
    private(set) var spans: [(start: Int, length: Int)] = []

    init(_ parameters: [Parameter]) {
        bytes.reserveCapacity(256)
        spans.reserveCapacity(parameters.count)
        for parameter in parameters { append(parameter) }
    }

    private mutating func append(_ parameter: Parameter) {
        let start = bytes.count
        switch parameter {
        case .null:
            spans.append((start, -1))
            return
        case .bool(let value): bytes.append(value ? 1 : 0)
        case .int16(let value): big(value)
        case .int32(let value): big(value)
        case .int64(let value): big(value)
        case .double(let value): big(value.bitPattern)
        case .text(let value): bytes.append(contentsOf: value.utf8)
        case .bytes(let value): bytes.append(contentsOf: value)
        case .uuid(let high, let low):
            big(high)
            big(low)
        case .timestamp(let value): big(WireMoment.encoded(value))
        case .json(let value):
            bytes.append(1)
            bytes.append(contentsOf: value)
        case .texts(let values): array(values, TypeID.text) { $0.bytes.append(contentsOf: $1.utf8) }
        case .bools(let values): array(values, TypeID.bool) { $0.bytes.append($1 ? 1 : 0) }
        case .int16s(let values): array(values, TypeID.int2) { $0.big($1) }
        case .int32s(let values): array(values, TypeID.int4) { $0.big($1) }
        case .int64s(let values): array(values, TypeID.int8) { $0.big($1) }
        case .doubles(let values): array(values, TypeID.float8) { $0.big($1.bitPattern) }
        case .byteStrings(let values): array(values, TypeID.bytea) { $0.bytes.append(contentsOf: $1) }
        case .uuids(let values):
            array(values, TypeID.uuid) {
                $0.big($1.high)
                $0.big($1.low)
            }
        case .timestamps(let values): array(values, TypeID.timestamptz) { $0.big(WireMoment.encoded($1)) }
        case .jsons(let values):
            array(values, TypeID.jsonb) {
                $0.bytes.append(1)
                $0.bytes.append(contentsOf: $1)
            }
        }
        spans.append((start, bytes.count - start))
    }

    private mutating func array<Element>(_ values: [Element], _ type: Int32, _ write: (inout ParameterBytes, Element) -> Void) {
        array(values.map(Optional.some), type, write)
    }

    /// One dimension, lower bound 1 (the wire form of `array_send`).
    private mutating func array<Element>(_ values: [Element?], _ type: Int32, _ write: (inout ParameterBytes, Element) -> Void) {
        big(Int32(values.isEmpty ? 0 : 1))
        big(Int32(values.contains { $0 == nil } ? 1 : 0))
        big(type)
        if values.isEmpty { return }
        big(Int32(values.count))
        big(Int32(1))
        for value in values {
            guard let value else {
                big(Int32(-1))
                continue
            }
            let lengthAt = bytes.count
            big(Int32(0))
            write(&self, value)
            patch(Int32(bytes.count - lengthAt - 4), at: lengthAt)
        }
    }

    private mutating func big<Number: FixedWidthInteger>(_ value: Number) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    private mutating func patch(_ value: Int32, at position: Int) {
        withUnsafeBytes(of: value.bigEndian) { source in
            for (offset, byte) in source.enumerated() { bytes[position + offset] = byte }
        }
    }
}
