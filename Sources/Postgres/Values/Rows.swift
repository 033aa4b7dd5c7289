import CLibpq

/// The rows of one statement's answer. Lives on the connection's thread; values are copied out of it.
public final class Rows {
    private let result: OpaquePointer

    /// Takes ownership of a `PGresult`.
    init(owning result: OpaquePointer) { self.result = result }

    deinit { PQclear(result) }

    public var count: Int { Int(PQntuples(result)) }

    public subscript(index: Int) -> Row { Row(rows: self, result: result, index: Int32(index)) }

    public func map<Value>(_ transform: (Row) throws(PostgresError) -> Value) throws(PostgresError) -> [Value] {
        var values: [Value] = []
        values.reserveCapacity(count)
        for index in 0..<count { values.append(try transform(self[index])) }
        return values
    }

    public var first: Row? { count > 0 ? self[0] : nil }

    /// How many rows an insert, update or delete touched.
    public var affected: Int { Int(String(cString: PQcmdTuples(result))) ?? 0 }
}

/// One row; valid while its ``Rows`` are.
public struct Row {
    private let rows: Rows
    private let result: OpaquePointer
    private let index: Int32

    init(rows: Rows, result: OpaquePointer, index: Int32) {
        self.rows = rows
        self.result = result
        self.index = index
    }

    /// Reads the bytes of a column while its rows live; nil for null.
    private func value<Value>(_ column: Int, _ body: (UnsafeRawBufferPointer) -> Value?) -> Value? {
        withExtendedLifetime(rows) {
            guard PQgetisnull(result, index, Int32(column)) == 0, let start = PQgetvalue(result, index, Int32(column)) else { return nil }
            return body(UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(result, index, Int32(column)))))
        }
    }

    private func required<Value>(_ value: Value?, _ column: Int, _ type: StaticString) throws(PostgresError) -> Value {
        guard let value else { throw PostgresError(.decoding, detail: "column \(column) is no \(type)") }
        return value
    }

    private func integer<Number: FixedWidthInteger>(_ column: Int, as type: Number.Type) -> Number? {
        value(column) { $0.count == MemoryLayout<Number>.size ? Number(bigEndian: $0.loadUnaligned(as: Number.self)) : nil }
    }

    public func isNull(_ column: Int) -> Bool { withExtendedLifetime(rows) { PQgetisnull(result, index, Int32(column)) != 0 } }

    public func int16(_ column: Int) throws(PostgresError) -> Int16 { try required(integer(column, as: Int16.self), column, "smallint") }
    public func int32(_ column: Int) throws(PostgresError) -> Int32 { try required(integer(column, as: Int32.self), column, "integer") }
    public func int64(_ column: Int) throws(PostgresError) -> Int64 { try required(integer(column, as: Int64.self), column, "bigint") }
    public func optionalInt64(_ column: Int) -> Int64? { integer(column, as: Int64.self) }

    public func bool(_ column: Int) throws(PostgresError) -> Bool {
        try required(value(column) { $0.count == 1 ? $0[0] != 0 : nil }, column, "boolean")
    }

    public func optionalText(_ column: Int) -> String? { value(column) { String(decoding: $0, as: UTF8.self) } }
    public func text(_ column: Int) throws(PostgresError) -> String { try required(optionalText(column), column, "text") }

    public func optionalDouble(_ column: Int) -> Double? { integer(column, as: UInt64.self).map { Double(bitPattern: $0) } }
    public func double(_ column: Int) throws(PostgresError) -> Double { try required(optionalDouble(column), column, "double precision") }

    public func byteString(_ column: Int) throws(PostgresError) -> [UInt8] {
        try required(value(column) { Array($0) }, column, "bytea")
    }

    /// Microseconds since 1970-01-01T00:00:00Z; the ends of the range are minus infinity and infinity.
    public func optionalTimestamp(_ column: Int) -> Int64? { integer(column, as: Int64.self).map(WireMoment.decoded) }
    public func timestamp(_ column: Int) throws(PostgresError) -> Int64 {
        try required(optionalTimestamp(column), column, "timestamptz")
    }

    public func uuid(_ column: Int) throws(PostgresError) -> (high: UInt64, low: UInt64) {
        let value = value(column) { bytes -> (UInt64, UInt64)? in
            guard bytes.count == 16 else { return nil }
            return (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        return try required(value, column, "uuid")
    }

    /// JSON text of a `jsonb` column, without the version byte that its binary form begins with.
    public func json(_ column: Int) throws(PostgresError) -> [UInt8] {
        try required(value(column) { $0.first == 1 ? Array($0.dropFirst()) : nil }, column, "jsonb")
    }

    /// A one-dimensional `text[]`; null and null elements are left out.
    public func texts(_ column: Int) throws(PostgresError) -> [String] {
        try withExtendedLifetime(rows) { () throws(PostgresError) -> [String] in
            guard let bytes = value(column, { $0 }) else { return [] }
            return try Self.texts(bytes, column)
        }
    }

    private static func texts(_ bytes: UnsafeRawBufferPointer, _ column: Int) throws(PostgresError) -> [String] {
        var position = 0
        func next() throws(PostgresError) -> Int32 {
            guard position + 4 <= bytes.count else { throw PostgresError(.decoding, detail: "column \(column) is no text[]") }
            defer { position += 4 }
            return Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: Int32.self))
        }
        let dimensions = try next()
        position = 12
        guard dimensions == 1 else { return [] }
        let count = try next()
        position += 4
        var values: [String] = []
        for _ in 0..<count {
            let length = Int(try next())
            guard length >= 0 else { continue }
            guard position + length <= bytes.count else { throw PostgresError(.decoding, detail: "column \(column) is no text[]") }
            values.append(String(decoding: UnsafeRawBufferPointer(rebasing: bytes[position..<position + length]), as: UTF8.self))
            position += length
        }
        return values
    }
}
