import Logging
import Open311
import Postgres

/// Which rows are wanted; nil for any.
public struct AuditFilter: Sendable {
    public var from: Timestamp
    public var to: Timestamp
    public var direction: AuditDirection?
    public var actor: String?
    public var operation: String?
    public var request: ServiceRequestID?
    public var result: String?
    /// A correlation id, or a trace's 32 digits.
    public var correlation: String?

    public init(from: Timestamp, to: Timestamp) {
        self.from = from
        self.to = to
    }

    func parameters(_ tenant: Int32) -> [Parameter] {
        [
            .int32(tenant), .timestamp(from.microseconds), .timestamp(to.microseconds), .text(direction?.rawValue), .text(actor),
            .text(operation), .int64(request?.rawValue), .text(result),
            .text(correlation),
        ]
    }
}

/// The audit as those read it who may: operators, the watch, and each tenant's CRM its own.
public final class AuditStore: Sendable {
    let connection: PostgresConnection

    /// Where the next page begins.
    public struct Cursor: Sendable, Equatable {
        public var storedAt: Timestamp
        public var id: Int64

        public static let start = Cursor(storedAt: Timestamp(microseconds: .min), id: 0)

        public init(storedAt: Timestamp, id: Int64) {
            self.storedAt = storedAt
            self.id = id
        }
    }

    /// - Parameters:
    ///   - configuration: of the administration's, the watch's or the status role; the last sees one tenant at a time.
    ///   - timeout: of one statement; long enough for a month of a large city, read for a filter that nothing matches.
    public init(configuration: PostgresConfiguration, timeout: Duration = .seconds(120)) throws {
        var patient = configuration
        patient.statementTimeout = timeout
        connection = try PostgresConnection(configuration: patient)
    }

    public func close() async { await connection.close() }

    func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await connection.run(body) }
    }

    /// Rows of a tenant, oldest first.
    ///
    /// - Parameters:
    ///   - tenant: nil for the installation's own and what is nobody's.
    ///   - limit: 1 to 10,000.
    public func page(
        of tenant: TenantID?, _ filter: AuditFilter, after cursor: Cursor = .start, limit: Int
    ) async throws(StorageError) -> [AuditRow] {
        let parameters =
            filter.parameters(tenant?.production.rawValue ?? 0)
            + [.timestamp(cursor.storedAt.microseconds), .int64(cursor.id), .int32(Int32(limit))]
        return try await rows(AuditSQL.page, parameters, tenant)
    }

    /// The newest rows of a tenant, newest first.
    public func latest(of tenant: TenantID?, _ filter: AuditFilter, limit: Int) async throws(StorageError) -> [AuditRow] {
        try await rows(AuditSQL.latest, filter.parameters(tenant?.production.rawValue ?? 0) + [.int32(Int32(limit))], tenant)
    }

    private func rows(_ statement: Statement, _ parameters: [Parameter], _ tenant: TenantID?) async throws(StorageError) -> [AuditRow] {
        try await run { (session) throws(PostgresError) in
            // Row-level security asks for whom; in the same round trip.
            let answers = try session.pipeline([
                RequestSQL.tenant(tenant?.production ?? TenantID(0)), (statement, parameters),
            ])
            return try answers[1].map { (row) throws(PostgresError) in try AuditRow(row) }
        }
    }

    // MARK: Days

    /// Rows of a tenant's day in the order in which they are hashed, a page at a time.
    func digest(of tenant: Int32, day: String, previous: [UInt8]?) async throws(StorageError) -> AuditDigest {
        var digest = AuditDigest(tenant: tenant, day: day, previous: previous)
        var cursor = Cursor.start
        while true {
            let from = cursor
            let rows = try await run { (session) throws(PostgresError) in
                try session.execute(
                    AuditSQL.dayRows,
                    [.int32(tenant), .text(day), .timestamp(from.storedAt.microseconds), .int64(from.id), .int32(Int32(Self.pageSize))]
                ).map { (row) throws(PostgresError) in try AuditRow(row) }
            }
            for row in rows { digest.add(row) }
            guard rows.count == Self.pageSize, let last = rows.last else { return digest }
            cursor = Cursor(storedAt: last.storedAt, id: last.id)
        }
    }

    private static let pageSize = 5_000

    public func seals() async throws(StorageError) -> [AuditSeal] {
        try await run { (session) throws(PostgresError) in
            try session.execute(AuditSQL.seals).map { (row) throws(PostgresError) in
                AuditSeal(
                    tenant: try row.int32(0), day: try row.text(1), rows: try row.int64(2),
                    previous: row.isNull(3) ? nil : try row.byteString(3), digest: try row.byteString(4))
            }
        }
    }

    func tenants(of day: String) async throws(StorageError) -> [Int32] {
        try await run { (session) throws(PostgresError) in
            try session.execute(AuditSQL.tenantsOfDay, [.text(day)]).map { (row) throws(PostgresError) in try row.int32(0) }
        }
    }

    /// Seals the days that are over and not sealed yet, oldest first; before, writes a row for each request whose POST nobody could
    /// write down. Safe to call by several at once.
    ///
    /// - Returns: the installation's seals that were made: to be kept where no administrator of the database can reach them.
    public func sealFinishedDays() async throws(StorageError) -> [AuditSeal] {
        let days = try await run { (session) throws(PostgresError) in
            try session.execute(AuditSQL.days).map { (row) throws(PostgresError) in row.optionalText(0) }.compactMap { $0 }
        }
        var made: [AuditSeal] = []
        for day in days {
            if let start = Timestamp(day: day) { _ = try await recover(from: start, to: start.adding(days: 1)) }
            var last: [Int32: AuditSeal] = [:]
            for seal in try await seals() where seal.day < day { last[seal.tenant] = seal }
            var sealed: [AuditSeal] = []
            for tenant in try await tenants(of: day) {
                sealed.append(try await seal(tenant, day, after: last[tenant]) { _ in })
            }
            made.append(try await seal(0, day, after: last[0]) { digest in for seal in sealed { digest.add(seal: seal) } })
        }
        return made
    }

    private func seal(
        _ tenant: Int32, _ day: String, after last: AuditSeal?, _ more: (inout AuditDigest) -> Void
    ) async throws(StorageError) -> AuditSeal {
        var digest = try await self.digest(of: tenant, day: day, previous: last?.digest)
        let rows = digest.rows
        more(&digest)
        let seal = AuditSeal(tenant: tenant, day: day, rows: rows, previous: last?.digest, digest: digest.finalize())
        _ = try await run { (session) throws(PostgresError) in
            _ = try session.execute(
                AuditSQL.seal,
                [.int32(tenant), .text(day), .int64(rows), last.map { .bytes($0.digest) } ?? .null, .bytes(seal.digest)])
            return true
        }
        return seal
    }

    // MARK: What a kill took

    /// Requests that were taken in and of whose POST no row tells.
    public func missing(from: Timestamp, to: Timestamp) async throws(StorageError) -> Int64 {
        try await run { (session) throws(PostgresError) in
            try session.execute(AuditSQL.missing, [.timestamp(from.microseconds), .timestamp(to.microseconds)]).first?.int64(0) ?? 0
        }
    }

    /// Events that the broker confirmed since, and of which no row tells.
    func unwrittenEvents(since: Timestamp) async throws(StorageError) -> Int64 {
        try await run { (session) throws(PostgresError) in
            try session.execute(AuditSQL.unwrittenEvents, [.timestamp(since.microseconds)]).first?.int64(0) ?? 0
        }
    }

    /// Writes a row `recovered` for each of those.
    ///
    /// - Returns: how many.
    public func recover(from: Timestamp, to: Timestamp) async throws(StorageError) -> Int {
        try await run { (session) throws(PostgresError) in
            Int(
                try session.execute(AuditSQL.recover, [.timestamp(from.microseconds), .timestamp(to.microseconds)]).first?.int32(0) ?? 0)
        }
    }

    /// Makes the monthly partitions ahead.
    ///
    /// - Returns: how many.
    public func makePartitions() async throws(StorageError) -> Int {
        try await run { (session) throws(PostgresError) in Int(try session.execute(AuditSQL.partitions).first?.int32(0) ?? 0) }
    }
}

extension Timestamp {
    /// The beginning of a day written as `2026-11-25`, in UTC.
    public init?(day: String) {
        let parts = day.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard day.utf8.count == 10, parts.count == 3, let year = parts[0], let month = parts[1], let dayOfMonth = parts[2],
            let date = CivilDate(year: year, month: month, day: dayOfMonth)
        else { return nil }
        self.init(seconds: date.secondsSince1970)
    }
}
