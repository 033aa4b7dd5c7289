import Open311
import Postgres

/// A key with what an operator wants to know of it.
public struct IssuedKey: Sendable {
    public let key: AccessKey
    /// A few minutes behind; nil when it was never used.
    public let lastUsedAt: Timestamp?
}

extension AdministrationStore {
    /// Makes a secret and stores its hash. The clear text is in the answer and nowhere else.
    ///
    /// - Parameter scopes: of an API key; a CRM token takes none.
    public func createKey(
        kind: AccessSecret.Kind, tenant: TenantID, label: String, scopes: Set<AccessScope>? = nil, expiresAt: Timestamp?
    ) async throws(StorageError) -> AccessSecret {
        let secret = AccessSecret.generate(kind)
        let scopes = scopes ?? (kind == .apiKey ? AccessScope.standard : [])
        try await run { (session) throws(PostgresError) in
            try Self.insert(secret, tenant, label, scopes.map(\.rawValue).sorted(), expiresAt, session)
        }
        return secret
    }

    /// Makes a second key with the label and scopes of the first, which goes on working until `overlapEnd`, so that an app can
    /// change over without a refused request.
    ///
    /// - Parameter expiresAt: of the new key.
    /// - Returns: nil when the tenant has no such usable key.
    public func rotateKey(
        publicID: String, of tenant: TenantID, overlapEnd: Timestamp, expiresAt: Timestamp?
    ) async throws(StorageError) -> AccessSecret? {
        try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                let rows = try session.execute(
                    AccessKeySQL.shorten, [.text(publicID), .int32(tenant.rawValue), .timestamp(overlapEnd.microseconds)])
                guard let row = rows.first, let kind = AccessSecret.Kind(rawValue: try row.text(0)) else { return nil }
                let secret = AccessSecret.generate(kind)
                try Self.insert(secret, tenant, try row.text(1), try row.texts(2), expiresAt, session)
                return secret
            }
        }
    }

    /// Revoked ones too, oldest first.
    public func keys(of tenant: TenantID, kind: AccessSecret.Kind) async throws(StorageError) -> [IssuedKey] {
        try await run { (session) throws(PostgresError) in
            try session.execute(AccessKeySQL.list, [.int32(tenant.rawValue), .text(kind.rawValue)]).map { (row) throws(PostgresError) in
                IssuedKey(
                    key: try TenantRow.accessKey(row), lastUsedAt: row.optionalTimestamp(9).map { Timestamp(microseconds: $0) })
            }
        }
    }

    /// - Returns: whether there was such a key of this tenant, not revoked before.
    public func revokeKey(publicID: String, of tenant: TenantID) async throws(StorageError) -> Bool {
        try await run { (session) throws(PostgresError) in
            try session.execute(AccessKeySQL.revoke, [.text(publicID), .int32(tenant.rawValue)]).affected > 0
        }
    }

    private static func insert(
        _ secret: AccessSecret, _ tenant: TenantID, _ label: String, _ scopes: [String], _ expiresAt: Timestamp?, _ session: Session
    ) throws(PostgresError) {
        _ = try session.execute(
            AccessKeySQL.insert,
            [
                .text(secret.publicID), .text(secret.kind.rawValue), .int32(tenant.rawValue), .text(label), .bytes(secret.hash),
                .timestamp(expiresAt?.microseconds), .texts(scopes),
            ])
    }
}
