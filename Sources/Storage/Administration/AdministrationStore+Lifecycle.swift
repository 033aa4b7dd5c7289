import Open311
import Postgres

/// Directories follow at once: a trigger tells them.
extension AdministrationStore {
    /// How long a tenant's tokens wait for its CRM, and how long the operator waits for an acknowledgement.
    public func setLifecycleLimits(_ policy: LifecyclePolicy, of tenant: TenantID) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(
                LifecyclePolicySQL.setLimits,
                [.int32(tenant.rawValue), .int32(policy.tokenMinutes ?? 0), .int32(policy.acknowledgementMinutes ?? 0)])
        }
    }

    /// What the codes of a tenant's CRM mean from now on: a new version of its mapping, published at once.
    ///
    /// - Parameter who: for the version's record.
    public func setStatusMapping(_ mapping: StatusMapping, of tenant: TenantID, by who: String) async throws(StorageError) {
        let body = StatusMappingRules.document(mapping).canonicalBytes
        let step = ReferenceStore.step(NewReference(kind: .statusMapping, body: body, author: who))
        try await run { (session) throws(PostgresError) in _ = try session.pipeline([RequestSQL.tenant(tenant), step]) }
    }
}
