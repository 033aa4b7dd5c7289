import Open311

/// The audit as files: CSV for spreadsheets, JSON lines for programs.
public enum AuditExport: String, Sendable, CaseIterable {
    case csv, jsonl

    public var contentType: String { self == .csv ? "text/csv; charset=utf-8; header=present" : "application/jsonl; charset=utf-8" }

    private static let columns = [
        "stored_at", "id", "tenant", "at", "direction", "actor", "operation", "request", "objects", "result", "duration_ms", "bytes_in",
        "bytes_out", "calls", "correlation_id", "trace_id", "body_sha256", "writer", "number",
    ]

    /// What stands before the first row; empty for JSON lines.
    public var heading: [UInt8] { self == .csv ? Array((Self.columns.joined(separator: ",") + "\r\n").utf8) : [] }

    /// One row with the end of its line.
    ///
    /// - Parameter tenant: the key; nil for what is nobody's.
    public func line(_ row: AuditRow, tenant: String?) -> [UInt8] { self == .csv ? Self.csv(row, tenant) : Self.json(row, tenant) }

    private static func csv(_ row: AuditRow, _ tenant: String?) -> [UInt8] {
        let cells = [
            moment(row.storedAt), String(row.id), text(tenant), moment(row.at), text(row.direction), text(row.actor), text(row.operation),
            row.request.map { String($0) } ?? "", text(row.objects), text(row.result), milliseconds(row), String(row.bytesIn),
            String(row.bytesOut), String(row.calls), text(row.correlationID), text(row.traceID.map(hexadecimal)),
            text(row.bodyHash.map(hexadecimal)), row.writer.map { String($0) } ?? "", row.number.map { String($0) } ?? "",
        ]
        return Array((cells.joined(separator: ",") + "\r\n").utf8)
    }

    /// Always in quotes. A spreadsheet takes a cell that begins with one of these for a formula, in quotes or not: an apostrophe makes
    /// it a text (OWASP, CSV injection).
    static func text(_ text: String?) -> String {
        guard let text else { return "" }
        let isFormula = text.unicodeScalars.first.map { "=+-@\t\r\n|%＝＋－＠".unicodeScalars.contains($0) } ?? false
        return "\"" + (isFormula ? "'" : "") + text.replacing("\"", with: "\"\"") + "\""
    }

    private static func json(_ row: AuditRow, _ tenant: String?) -> [UInt8] {
        var writer = JSONWriter(capacity: 512)
        writer.beginObject()
        func text(_ name: StaticString, _ value: String?) {
            writer.name(name)
            writer.value(value)
        }
        func number(_ name: StaticString, _ value: Int64?) {
            writer.name(name)
            if let value { writer.value(value) } else { writer.value(String?.none) }
        }
        text("stored_at", moment(row.storedAt))
        number("id", row.id)
        text("tenant", tenant)
        text("at", moment(row.at))
        text("direction", row.direction)
        text("actor", row.actor)
        text("operation", row.operation)
        text("request", row.request.map { String($0) })
        text("objects", row.objects)
        text("result", row.result)
        writer.name("duration_ms")
        writer.value(Double(row.microseconds) / 1_000)
        number("bytes_in", row.bytesIn)
        number("bytes_out", row.bytesOut)
        number("calls", Int64(row.calls))
        text("correlation_id", row.correlationID)
        text("trace_id", row.traceID.map(hexadecimal))
        text("body_sha256", row.bodyHash.map(hexadecimal))
        number("writer", row.writer.map(Int64.init))
        number("number", row.number)
        writer.endObject()
        return writer.bytes + [10]
    }

    /// With microseconds, as they are hashed: `2026-11-25T08:00:00.012345Z`.
    public static func moment(_ at: Timestamp) -> String {
        let fraction = String(at.microseconds - at.seconds * 1_000_000)
        return at.iso8601.dropLast() + "." + String(repeating: "0", count: 6 - fraction.count) + fraction + "Z"
    }

    private static func milliseconds(_ row: AuditRow) -> String {
        let thousandths = String(row.microseconds % 1_000)
        return "\(row.microseconds / 1_000)." + String(repeating: "0", count: 3 - thousandths.count) + thousandths
    }

    public static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.reduce(into: "") { $0 += ($1 < 16 ? "0" : "") + String($1, radix: 16) }
    }
}
