import Postgres
import Testing

extension WithPostgreSQL {
    /// Random values of every type, with those at the edges, go to the server and come back the same.
    @Suite("Values")
    struct RoundTripTests {
        private static let texts = [
            "", " ", "é", "🚮👩🏽‍🔧", "'; drop table x; --", "\\", "{null}", "NULL", "a\u{7F}\u{FFFD}\n\r\t\u{1}", "ａｂ\u{202E}c",
        ]
        private static let integers: [Int64] = [0, 1, -1, .max, .min]
        private static let doubles: [Double] = [0, -0.0, .infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .pi]

        private func text() -> String {
            (0..<Int.random(in: 0...4)).map { _ in Self.texts.randomElement() ?? "" }.joined()
        }
        private func integer() -> Int64 { Bool.random() ? .random(in: .min ... .max) : Self.integers.randomElement() ?? 0 }
        private func double() -> Double { Bool.random() ? .random(in: -1e9...1e9) : Self.doubles.randomElement() ?? 0 }
        private func bytes() -> [UInt8] { (0..<Int.random(in: 0...300)).map { _ in .random(in: 0...255) } }
        /// From 4713 BC, where a timestamptz begins, to where 64 bits of microseconds end.
        private func moment() -> Int64 { .random(in: -210_866_803_200_000_000 ... .max - 1) }

        @Test("come back as they went")
        func single() async throws {
            let statement = Statement(
                "round_trip",
                """
                select $1::boolean, $2::smallint, $3::integer, $4::bigint, $5::double precision, $6::text, $7::bytea, $8::uuid,
                       $9::timestamptz, $10::jsonb, $11::text[]
                """)
            try await withConnection { connection, _ in
                for _ in 0..<200 {
                    let (flag, number, real, string, blob, at) = (Bool.random(), integer(), double(), text(), bytes(), moment())
                    let (short, middle) = (Int16(truncatingIfNeeded: number), Int32(truncatingIfNeeded: number))
                    let (high, low) = (UInt64(bitPattern: number), UInt64.random(in: 0 ... .max))
                    let strings = (0..<Int.random(in: 0...5)).map { _ in text() }
                    let same = try await connection.rows(
                        statement,
                        [
                            .bool(flag), .int16(short), .int32(middle), .int64(number), .double(real), .text(string), .bytes(blob),
                            .uuid(high: high, low: low), .timestamp(at), .json(Array(#"{"a":[1,"é"]}"#.utf8)), .texts(strings),
                        ]
                    ) { (row) throws(PostgresError) in
                        let uuid = try row.uuid(7)
                        return [
                            try row.bool(0) == flag, try row.int16(1) == short, try row.int32(2) == middle, try row.int64(3) == number,
                            try row.double(4).bitPattern == real.bitPattern, try row.text(5) == string, try row.byteString(6) == blob,
                            uuid.high == high && uuid.low == low, try row.timestamp(8) == at,
                            try row.json(9) == Array(#"{"a": [1, "é"]}"#.utf8), try row.texts(10) == strings,
                            row.optionalInt64(3) == number, row.optionalText(5) == string, !row.isNull(0),
                        ]
                    }
                    #expect(same == [[Bool](repeating: true, count: 14)], "\(number) \(real) \(string.debugDescription) \(at)")
                }
            }
        }

        @Test("mean to the server what they mean here")
        func meaning() async throws {
            try await withConnection { connection, _ in
                let texts = try await connection.rows(
                    Statement(
                        "meaning",
                        "select $1::timestamptz::text, $2::timestamptz::text, $3::uuid::text, $4::double precision::text, $5::bytea::text"),
                    [
                        .timestamp(1_790_000_000_123_456), .timestamp(Int64.max), .uuid(high: 0x0123_4567_89AB_CDEF, low: 1), .double(.nan),
                        .bytes([0, 255]),
                    ]
                ) { (row) throws(PostgresError) in try (0..<5).map { (column) throws(PostgresError) in try row.text(column) } }
                #expect(
                    texts == [["2026-09-21 14:13:20.123456+00", "infinity", "01234567-89ab-cdef-0000-000000000001", "NaN", "\\x00ff"]])
            }
        }

        @Test("null is null in every type, and a type that is not expected is an error, never a crash")
        func nullsAndTypes() async throws {
            try await withConnection { connection, _ in
                let statement = Statement(
                    "nulls", "select null::bigint, null::text, 'x'::text, 1::smallint, 'infinity'::timestamptz, '-infinity'::timestamptz")
                let fine = try await connection.rows(statement) { (row) throws(PostgresError) in
                    [
                        row.optionalInt64(0) == nil, row.optionalText(1) == nil, row.optionalDouble(0) == nil,
                        row.optionalTimestamp(0) == nil,
                        row.isNull(0), row.isNull(1), !row.isNull(2), try row.texts(1).isEmpty, row.optionalInt64(2) == nil,
                        row.optionalTimestamp(4) == .max, row.optionalTimestamp(5) == .min,
                    ]
                }
                #expect(fine == [[Bool](repeating: true, count: 11)])
                func refuses<Value: Sendable>(_ column: Int, _ read: @Sendable (Row, Int) throws(PostgresError) -> Value) async throws {
                    let error = try await failure { () async throws(PostgresError) in
                        try await connection.rows(statement) { (row) throws(PostgresError) in try read(row, column) }
                    }
                    #expect(error.kind == .decoding, "column \(column)")
                }
                try await refuses(0) { (row, column) throws(PostgresError) in try row.int64(column) }
                try await refuses(1) { (row, column) throws(PostgresError) in try row.text(column) }
                try await refuses(2) { (row, column) throws(PostgresError) in try row.int64(column) }
                try await refuses(3) { (row, column) throws(PostgresError) in try row.int32(column) }
                try await refuses(2) { (row, column) throws(PostgresError) in try row.double(column) }
                try await refuses(2) { (row, column) throws(PostgresError) in try row.json(column) }
                try await refuses(3) { (row, column) throws(PostgresError) in try row.timestamp(column) }
                try await refuses(2) { (row, column) throws(PostgresError) in try row.uuid(column).high }
                try await refuses(2) { (row, column) throws(PostgresError) in try row.texts(column) }
                try await refuses(3) { (row, column) throws(PostgresError) in try row.bool(column) }
            }
        }

        @Test("arrays arrive element by element, nulls and emptiness included")
        func arrays() async throws {
            try await withConnection { connection, _ in
                let statement = Statement(
                    "arrays",
                    """
                    select b, i, l, d, t, y, u, m, j, s from unnest($1::boolean[], $2::integer[], $3::bigint[], $4::double precision[], $5::text[],
                        $6::bytea[], $7::uuid[], $8::timestamptz[], $9::jsonb[], $10::smallint[]) as a (b, i, l, d, t, y, u, m, j, s)
                    """)
                for count in [0, 1, 7, 500] {
                    let flags = (0..<count).map { _ in Bool.random() }
                    let numbers = (0..<count).map { _ in integer() }
                    let reals = (0..<count).map { _ in Bool.random() ? double() : nil }
                    let strings = (0..<count).map { _ in Bool.random() ? text() : nil }
                    let blobs = (0..<count).map { _ in Bool.random() ? bytes() : nil }
                    let moments = (0..<count).map { _ in Bool.random() ? moment() : nil }
                    let rows = try await connection.rows(
                        statement,
                        [
                            .bools(flags), .int32s(numbers.map { Int32(truncatingIfNeeded: $0) }), .int64s(numbers), .doubles(reals),
                            .texts(strings), .byteStrings(blobs), .uuids(numbers.map { (UInt64(bitPattern: $0), 7) }), .timestamps(moments),
                            .jsons(strings.map { $0 == nil ? nil : Array("[1]".utf8) }),
                            .int16s(numbers.map { Int16(truncatingIfNeeded: $0) }),
                        ]
                    ) { (row) throws(PostgresError) in
                        (
                            flag: try row.bool(0), middle: try row.int32(1), number: try row.int64(2), real: row.optionalDouble(3),
                            text: row.optionalText(4), blob: row.isNull(5) ? nil : try row.byteString(5), high: try row.uuid(6).high,
                            moment: row.optionalTimestamp(7), hasJSON: !row.isNull(8), short: try row.int16(9)
                        )
                    }
                    #expect(rows.map(\.flag) == flags)
                    #expect(rows.map(\.number) == numbers)
                    #expect(rows.map(\.middle) == numbers.map { Int32(truncatingIfNeeded: $0) })
                    #expect(rows.map(\.short) == numbers.map { Int16(truncatingIfNeeded: $0) })
                    #expect(rows.map { $0.real?.bitPattern } == reals.map { $0?.bitPattern })
                    #expect(rows.map(\.text) == strings)
                    #expect(rows.map(\.blob) == blobs)
                    #expect(rows.map(\.high) == numbers.map { UInt64(bitPattern: $0) })
                    #expect(rows.map(\.moment) == moments)
                    #expect(rows.map(\.hasJSON) == strings.map { $0 != nil })
                }
            }
        }

        @Test("larger than every buffer pass both ways at once")
        func large() async throws {
            try await withConnection { connection, _ in
                let statement = Statement("large", "select $1::bytea || $1::bytea")
                let block = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 37) }
                let lengths = try await connection.run { (session) throws(PostgresError) in
                    try session.pipeline((0..<30).map { _ in (statement, [.bytes(block)]) })
                        .map { (rows) throws(PostgresError) in try rows[0].byteString(0) == block + block }
                }
                #expect(lengths == [Bool](repeating: true, count: 30))
            }
        }

        @Test("that PostgreSQL cannot hold are refused, and the connection goes on")
        func refused() async throws {
            try await withConnection { connection, _ in
                let echo = Statement("echo", "select $1::text")
                let error = try await failure { () async throws(PostgresError) in
                    try await connection.rows(echo, [.text("a\u{0}b")]) { $0.optionalText(0) }
                }
                #expect(error.kind == .refused && error.sqlState == "22021" && error.statement == "echo")
                #expect(try await connection.rows(echo, [.text("b")]) { $0.optionalText(0) } == ["b"])
            }
        }
    }
}
