import Open311
import Postgres

enum ErasureRegisterSQL {
    static let all = [answer, answered, one, list, awaited]

    /// A later answer replaces an earlier one: what was kept may be erased when its time is over; what is erased stays erased.
    static let answer = Statement(
        "erasures_answer",
        """
        update erasures set crm_outcome = $3::text, crm_reason = $4::text, crm_answered_at = now()
        where tenant_id = $1::integer and request_id = $2::bigint and crm_outcome is distinct from 'erased'
        """)

    /// What CRMs answered before; the rows are held.
    static let answered = Statement(
        "erasures_answered",
        """
        select request_id, crm_outcome, crm_reason from erasures
        where tenant_id = $1::integer and request_id = any($2::bigint[]) order by request_id for update
        """)

    private static let columns = "e.request_id, e.erased_at, e.reason, e.crm_outcome, e.crm_reason, e.crm_answered_at"

    static let one = Statement(
        "erasures_one", "select \(columns) from erasures e where e.tenant_id = $1::integer and e.request_id = $2::bigint")

    /// Tenants that had any erasure: those whose CRM has answered them all with nothing.
    static let awaited = Statement(
        "erasures_awaited",
        """
        select t.key, count(*) filter (where e.crm_outcome is null), min(e.erased_at) filter (where e.crm_outcome is null)
        from erasures e join tenants t on t.id = e.tenant_id group by t.key
        """)

    static let list = Statement(
        "erasures_list",
        """
        select \(columns), t.key from erasures e left join tenants t on t.id = abs(e.tenant_id)
        where e.tenant_id > 0 and ($1::integer is null or e.tenant_id = $1::integer) and (not $2::boolean or e.crm_outcome is null)
        order by e.erased_at desc limit $3::integer
        """)
}

/// A row of the register, which holds no personal data.
public struct RegisteredErasure: Sendable {
    public let request: ServiceRequestID
    public let erasedAt: Timestamp
    public let reason: String
    /// Nil while the CRM has not answered.
    public let crmOutcome: CRMErasureOutcome?
    public let crmReason: String?
    public let crmAnsweredAt: Timestamp?
    /// Only in lists; nil for a tenant that is gone.
    public let tenant: String?

    init(_ row: Row, tenant: String?) throws(PostgresError) {
        request = ServiceRequestID(stored: try row.int64(0))
        erasedAt = Timestamp(microseconds: try row.timestamp(1))
        reason = try row.text(2)
        crmOutcome = row.optionalText(3).flatMap { CRMErasureOutcome(rawValue: $0) }
        crmReason = row.optionalText(4)
        crmAnsweredAt = row.optionalTimestamp(5).map { Timestamp(microseconds: $0) }
        self.tenant = tenant
    }
}

extension StatusUpdateStore {
    /// - Returns: nil when nothing of this request was erased.
    public func erasure(of request: ServiceRequestID, tenant: TenantID) async throws(StorageError) -> RegisteredErasure? {
        try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                let answers = try session.pipeline([
                    RequestSQL.tenant(tenant), (ErasureRegisterSQL.one, [.int32(tenant.rawValue), .int64(request.rawValue)]),
                ])
                return try answers[1].first.map { (row) throws(PostgresError) in try RegisteredErasure(row, tenant: nil) }
            }
        }
    }

    /// The CRM has forgotten too, or says why it may not. The same again changes nothing.
    ///
    /// - Returns: how it stands now; nil when nothing of this request was erased.
    public func acknowledgeErasure(
        of request: ServiceRequestID, _ answer: CRMErasureAnswer, tenant: TenantID
    ) async throws(StorageError) -> RegisteredErasure? {
        try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                let own: [Parameter] = [.int32(tenant.rawValue), .int64(request.rawValue)]
                let answers = try session.pipeline([
                    RequestSQL.tenant(tenant),
                    (ErasureRegisterSQL.answer, own + [.text(answer.outcome.rawValue), .text(answer.reason)]),
                    (ErasureRegisterSQL.one, own),
                ])
                return try answers[2].first.map { (row) throws(PostgresError) in try RegisteredErasure(row, tenant: nil) }
            }
        }
    }
}

extension AdministrationStore {
    /// The register, newest first.
    ///
    /// - Parameter onlyAwaited: those that the CRM has not answered.
    public func erasures(of tenant: TenantID?, onlyAwaited: Bool, limit: Int32) async throws(StorageError) -> [RegisteredErasure] {
        try await run { (session) throws(PostgresError) in
            try session.execute(
                ErasureRegisterSQL.list, [tenant.map { .int32($0.rawValue) } ?? .null, .bool(onlyAwaited), .int32(limit)]
            ).map { (row) throws(PostgresError) in try RegisteredErasure(row, tenant: row.optionalText(6)) }
        }
    }
}

extension OutboxStore {
    /// By tenant, how many erasures its CRM has not answered, and since when the oldest waits.
    public func awaitedErasures() async throws(StorageError) -> [(tenant: TenantKey, count: Int64, oldest: Timestamp?)] {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                var found: [(tenant: TenantKey, count: Int64, oldest: Timestamp?)] = []
                let rows = try session.execute(ErasureRegisterSQL.awaited)
                for index in 0..<rows.count {
                    guard let key = try? TenantKey(validating: try rows[index].text(0)) else { continue }
                    let oldest = rows[index].optionalTimestamp(2).map { Timestamp(microseconds: $0) }
                    found.append((key, try rows[index].int64(1), oldest))
                }
                return found
            }
        }
    }
}
