import Crypto
import Open311
import Postgres

/// A row of the audit as it is stored.
public struct AuditRow: Sendable, Equatable {
    public let storedAt: Timestamp
    public let id: Int64
    /// 0 where it is nobody's.
    public let tenant: Int32
    public let at: Timestamp
    public let direction: String
    public let actor: String?
    public let operation: String
    public let request: Int64?
    public let objects: String?
    public let result: String
    public let microseconds: Int64
    public let bytesIn: Int64
    public let bytesOut: Int64
    public let calls: Int32
    public let correlationID: String?
    public let traceID: [UInt8]?
    public let bodyHash: [UInt8]?
    public let writer: Int32?
    public let number: Int64?

    /// - Parameter row: of the columns ``AuditSQL/columns``.
    init(_ row: Row) throws(PostgresError) {
        storedAt = Timestamp(microseconds: try row.timestamp(0))
        id = try row.int64(1)
        tenant = try row.int32(2)
        at = Timestamp(microseconds: try row.timestamp(3))
        direction = try row.text(4)
        actor = row.optionalText(5)
        operation = try row.text(6)
        request = row.optionalInt64(7)
        objects = row.optionalText(8)
        result = try row.text(9)
        microseconds = try row.int64(10)
        bytesIn = try row.int64(11)
        bytesOut = try row.int64(12)
        calls = try row.int32(13)
        correlationID = row.optionalText(14)
        traceID = row.isNull(15) ? nil : try row.byteString(15)
        bodyHash = row.isNull(16) ? nil : try row.byteString(16)
        writer = row.isNull(17) ? nil : try row.int32(17)
        number = row.optionalInt64(18)
    }
}

/// The hash of a tenant's day, chained to the day before it: every column of every row, in the order of storing.
///
/// Each value goes in with its length before it, so that no two different days have the same bytes.
struct AuditDigest {
    private var hash = SHA256()
    private(set) var rows: Int64 = 0

    /// - Parameter previous: of the tenant's sealed day before; nil on its first.
    init(tenant: Int32, day: String, previous: [UInt8]?) {
        add("bus311 audit 1")
        add(Int64(tenant))
        add(day)
        add(previous)
    }

    mutating func add(_ row: AuditRow) {
        rows += 1
        add(row.storedAt.microseconds)
        add(row.id)
        add(Int64(row.tenant))
        add(row.at.microseconds)
        add(row.direction)
        add(row.actor)
        add(row.operation)
        add(row.request)
        add(row.objects)
        add(row.result)
        add(row.microseconds)
        add(row.bytesIn)
        add(row.bytesOut)
        add(Int64(row.calls))
        add(row.correlationID)
        add(row.traceID)
        add(row.bodyHash)
        add(row.writer.map(Int64.init))
        add(row.number)
    }

    /// The day of another tenant: the installation's own seal vouches for all of them.
    mutating func add(seal: AuditSeal) {
        add(Int64(seal.tenant))
        add(seal.digest)
    }

    func finalize() -> [UInt8] { Array(hash.finalize()) }

    private mutating func add(_ text: String?) { add(text.map { Array($0.utf8) }) }
    private mutating func add(_ number: Int64?) { add(number.map { value in withUnsafeBytes(of: value.bigEndian) { Array($0) } }) }

    private mutating func add(_ bytes: [UInt8]?) {
        withUnsafeBytes(of: Int32(bytes?.count ?? -1).bigEndian) { hash.update(bufferPointer: $0) }
        if let bytes { hash.update(data: bytes) }
    }
}

/// A tenant's day that is over.
public struct AuditSeal: Sendable, Equatable {
    /// 0 for the installation, whose seal holds those of all tenants of the day.
    public let tenant: Int32
    /// `2026-11-25`, UTC.
    public let day: String
    public let rows: Int64
    public let previous: [UInt8]?
    public let digest: [UInt8]

    public init(tenant: Int32, day: String, rows: Int64, previous: [UInt8]?, digest: [UInt8]) {
        self.tenant = tenant
        self.day = day
        self.rows = rows
        self.previous = previous
        self.digest = digest
    }
}
