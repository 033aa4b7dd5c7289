import Open311
import Postgres

enum ContractSQL {
    static let all = [set, erased]

    static let set = Statement(
        "contract_set", "update tenants set contract_version = $2::text, contract_sunset = $3::timestamptz where id = $1::integer")

    static let erased = Statement("contract_erased", "select request_id from erasures where request_id = any($1::bigint[])")
}

extension AdministrationStore {
    /// Chooses the versions in which a tenant's messages are written from now on; what waits in the outbox stays as it was written.
    ///
    /// - Parameter sunset: when the first version is to end; only with both.
    public func setContract(_ versions: ContractVersions, sunset: Timestamp?, of tenant: TenantID) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(
                ContractSQL.set, [.int32(tenant.rawValue), .text(versions.rawValue), .timestamp(sunset?.microseconds)])
        }
    }

    /// Those of these requests whose personal data were erased.
    public func erased(among requests: [ServiceRequestID]) async throws(StorageError) -> Set<ServiceRequestID> {
        try await run { (session) throws(PostgresError) in
            Set(
                try session.execute(ContractSQL.erased, [.int64s(requests.map(\.rawValue))]).map { (row) throws(PostgresError) in
                    ServiceRequestID(stored: try row.int64(0))
                })
        }
    }
}
