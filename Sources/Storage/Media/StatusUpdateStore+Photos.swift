import Open311
import Postgres

extension StatusUpdateStore {
    /// Hides a photo and has the cleaner blur parts of it.
    ///
    /// - Returns: false when the tenant has no such photo that is shown.
    public func redact(_ token: PhotoToken, _ redaction: PhotoRedaction, of tenant: TenantID) async throws(StorageError) -> Bool {
        try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                let answers = try session.pipeline([
                    RequestSQL.tenant(tenant), (PhotoSQL.redact, [.text(token.text), .json(redaction.json)]),
                ])
                return try answers[1].first.map { (row) throws(PostgresError) in try row.bool(0) } ?? false
            }
        }
    }
}
