import Open311
import Postgres

enum PhotoAdministrationSQL {
    static let all = [revoke, setPolicy]

    static let revoke = Statement("photo_revoke", "select bus311_revoke_photo($1::text, $2::text)")

    static let setPolicy = Statement("photo_set_policy", "update tenants set photo_policy = $2::jsonb where id = $1::integer")
}

extension AdministrationStore {
    /// - Returns: whether there is such a tenant.
    public func setPhotoPolicy(_ policy: PhotoPolicy, of tenant: TenantID) async throws(StorageError) -> Bool {
        try await run { (session) throws(PostgresError) in
            try session.execute(
                PhotoAdministrationSQL.setPolicy, [.int32(tenant.rawValue), .json(PhotoPolicyJSON.bytes(policy))]
            ).affected > 0
        }
    }

    /// Takes a photo's address out of service, for good or in favour of a new one.
    ///
    /// - Parameter replacement: the new address's token; nil to show the photo no more.
    /// - Returns: the request it belongs to; nil when no photo has this address.
    public func revoke(photo: PhotoToken, inFavourOf replacement: PhotoToken?) async throws(StorageError) -> ServiceRequestID? {
        try await run { (session) throws(PostgresError) in
            try session.execute(
                PhotoAdministrationSQL.revoke, [.text(photo.text), .text(replacement?.text)]
            ).first?.optionalInt64(0).map { ServiceRequestID(stored: $0) }
        }
    }
}
