import Postgres

extension AdministrationStore {
    /// Writes rows of the audit at once; returns when they are committed.
    public func audit(_ entries: [AuditEntry]) async throws(StorageError) {
        guard !entries.isEmpty else { return }
        let parameters = AuditSQL.parameters(entries)
        _ = try await run { (session) throws(PostgresError) in
            _ = try session.execute(AuditSQL.addDirectly, parameters)
            return true
        }
    }
}
