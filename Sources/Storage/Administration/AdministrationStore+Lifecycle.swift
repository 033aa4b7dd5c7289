import Open311
import Postgres

/// Directories follow at once: a trigger tells them.
extension AdministrationStore {
    /// How long a tenant's tokens wait for its CRM.
    ///
    /// - Parameter minutes: of ``LifecyclePolicy/tokenRange``; nil: only the CRM resolves them.
    public func setTokensWait(_ minutes: Int?, of tenant: TenantID) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(LifecyclePolicySQL.setTokensWait, Self.tokensWait(minutes, tenant))
        }
    }

    static func tokensWait(_ minutes: Int?, _ tenant: TenantID) -> [Parameter] {
        [.int32(tenant.rawValue), .int32(Int32(clamping: minutes ?? 0))]
    }

    /// What the codes of a tenant's CRM mean from now on: a new version of its mapping, published at once.
    ///
    /// - Parameter who: for the version's record.
    public func setStatusMapping(_ mapping: StatusMapping, of tenant: TenantID, by who: String) async throws(StorageError) {
        let body = StatusMappingRules.document(mapping).canonicalBytes
        let step = ReferenceStore.step(NewReference(kind: .statusMapping, body: body, author: who))
        try await run { (session) throws(PostgresError) in _ = try session.pipeline([RequestSQL.tenant(tenant), step]) }
    }

    /// Our numbers of requests to which their CRMs gave this id: at most one for each tenant, ten in all.
    public func requests(given id: String) async throws(StorageError) -> [ServiceRequestID] {
        try await requests(LifecyclePolicySQL.requestsGiven, id)
    }

    /// The requests, of any tenant, whose citizens were answered this token: one or none.
    public func requests(withToken token: String) async throws(StorageError) -> [ServiceRequestID] {
        try await requests(LifecyclePolicySQL.requestsWithToken, token)
    }

    private func requests(_ statement: Statement, _ name: String) async throws(StorageError) -> [ServiceRequestID] {
        try await run { (session) throws(PostgresError) in
            try session.execute(statement, [.text(name)]).map { (row) throws(PostgresError) in ServiceRequestID(stored: try row.int64(0)) }
        }
    }
}
