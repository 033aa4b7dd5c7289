import Open311
import Postgres

/// A line of an export, and the stored file that it describes.
public struct ExportedDetail: Sendable {
    public enum Kind: String, Sendable, CaseIterable { case status, update, photo }

    public let kind: Kind
    /// One JSON object.
    public let line: String
    /// Of a photo whose file is kept.
    public let file: (kind: MediaKey.Kind, name: String)?
}

/// Where an export of requests stands: after this one.
public struct ExportCursor: Sendable {
    let requestedAt: Int64
    let id: Int64

    public static let beginning = ExportCursor(requestedAt: .min, id: 0)
}

/// What a tenant leaves with.
extension AdministrationStore {
    /// Writes down that the tenant leaves, and who says so; only then its data can be exported.
    public func beginOffboarding(of tenant: Tenant, by who: String) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            let begun = try session.execute(
                OffboardingSQL.begin, [.int32(tenant.id.rawValue), .text(tenant.key.rawValue), .text(who)]
            ).affected
            guard begun > 0 else { return }
            _ = try session.execute(
                ReplaySQL.act, [.text(who), .text("tenant off-boarding began"), .int32(tenant.id.rawValue), .text(tenant.key.rawValue)])
        }
    }

    /// How many requests it has, and a text that changes with anything that is exported.
    public func exportState(of tenant: TenantID) async throws(StorageError) -> (requests: Int64, state: String) {
        try await run { (session) throws(PostgresError) in
            let answers = try session.pipeline([RequestSQL.tenant(tenant), (OffboardingSQL.state, [])])
            guard let row = answers[1].first else { throw PostgresError(.decoding, detail: "no state came back") }
            return (try row.int64(0), try row.text(1))
        }
    }

    /// The next requests as JSON, one a line, with what belongs to them.
    ///
    /// - Returns: nil cursor after the last.
    public func exportPage(
        of tenant: TenantID, after cursor: ExportCursor, count: Int = 500
    ) async throws(StorageError) -> (requests: [String], details: [ExportedDetail], next: ExportCursor?) {
        try await run { (session) throws(PostgresError) in
            let found = try session.pipeline([
                RequestSQL.tenant(tenant),
                (OffboardingSQL.requests, [.timestamp(cursor.requestedAt), .int64(cursor.id), .int32(Int32(clamping: count))]),
            ])[1]
            var ids: [Int64] = []
            var lines: [String] = []
            var last: ExportCursor?
            for index in 0..<found.count {
                ids.append(try found[index].int64(0))
                lines.append(try found[index].text(2))
                last = ExportCursor(requestedAt: try found[index].timestamp(1), id: try found[index].int64(0))
            }
            guard !ids.isEmpty else { return ([], [], nil) }
            let details = try session.pipeline([RequestSQL.tenant(tenant), (OffboardingSQL.details, [.int64s(ids)])])[1]
            return (lines, try details.map { (row) throws(PostgresError) in try Self.detail(row) }, last)
        }
    }

    private static func detail(_ row: Row) throws(PostgresError) -> ExportedDetail {
        guard let kind = ExportedDetail.Kind(rawValue: try row.text(0)) else {
            throw PostgresError(.decoding, detail: "an exported line of unknown kind")
        }
        let fileKind = row.optionalText(2).flatMap { MediaKey.Kind(rawValue: $0) }
        return ExportedDetail(
            kind: kind, line: try row.text(1), file: fileKind.flatMap { kind in row.optionalText(3).map { (kind: kind, name: $0) } })
    }

    /// What operators did to the tenant, as JSON, oldest first.
    public func operatorActions(of tenant: TenantID) async throws(StorageError) -> [String] {
        try await run { (session) throws(PostgresError) in
            try session.execute(OffboardingSQL.actions, [.int32(tenant.rawValue)]).map { (row) throws(PostgresError) in try row.text(0) }
        }
    }

    /// Events that have not reached the broker.
    public func waitingEvents(of tenant: Tenant) async throws(StorageError) -> Int64 {
        try await run { (session) throws(PostgresError) in
            try session.execute(OffboardingSQL.waiting, [.int32(tenant.id.rawValue), .int16(tenant.shard)]).first?.int64(0) ?? 0
        }
    }

    /// Ends every key of a kind at once.
    ///
    /// - Returns: how many were usable.
    public func revokeKeys(of tenant: TenantID, kind: AccessSecret.Kind) async throws(StorageError) -> Int {
        try await run { (session) throws(PostgresError) in
            try session.execute(OffboardingSQL.revokeKeys, [.int32(tenant.rawValue), .text(kind.rawValue)]).affected
        }
    }

    /// Writes what an operator did into the record.
    ///
    /// - Parameter detail: ids and counts, never content.
    public func record(_ what: String, by who: String, of tenant: TenantID, detail: String) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(ReplaySQL.act, [.text(who), .text(what), .int32(tenant.rawValue), .text(detail)])
        }
    }
}
