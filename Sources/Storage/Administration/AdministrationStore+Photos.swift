import Open311
import Postgres

enum PhotoAdministrationSQL {
    static let all = [readdress, list, setPolicy]

    static let readdress = Statement("photo_readdress", "select bus311_readdress_photo($1::text, $2::text, $3::timestamptz, $4::boolean)")

    static let list = Statement("photo_list", "select * from bus311_photos_of($1::bigint)")

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

    /// Takes a photo's address out of service, for good or in favour of a new one, or gives it another end.
    ///
    /// - Parameters:
    ///   - replacement: the address's token from now on; nil to show the photo no more.
    ///   - end: when it ends to answer.
    /// - Returns: the request it belongs to; nil when no photo that may be shown has this address.
    public func readdress(
        photo: PhotoToken, as replacement: PhotoToken?, until end: PhotoEnd
    ) async throws(StorageError) -> ServiceRequestID? {
        try await run { (session) throws(PostgresError) in
            try session.execute(
                PhotoAdministrationSQL.readdress,
                [.text(photo.text), .text(replacement?.text), .timestamp(end.moment?.microseconds), .bool(end == .byPolicy)]
            ).first?.optionalInt64(0).map { ServiceRequestID(stored: $0) }
        }
    }

    /// The photos of a request, in their order.
    public func photos(of request: ServiceRequestID) async throws(StorageError) -> [ListedPhoto] {
        try await run { (session) throws(PostgresError) in
            try session.execute(PhotoAdministrationSQL.list, [.int64(request.rawValue)]).map { (row) throws(PostgresError) in
                ListedPhoto(
                    position: Int(try row.int16(0)), token: try row.text(1), state: try row.text(2), reason: row.optionalText(3),
                    receivedAt: Timestamp(microseconds: try row.timestamp(4)),
                    expiresAt: row.optionalTimestamp(5).map { Timestamp(microseconds: $0) },
                    bytes: row.isNull(6) ? nil : Int(try row.int32(6)), width: row.isNull(7) ? nil : Int(try row.int32(7)),
                    height: row.isNull(8) ? nil : Int(try row.int32(8)))
            }
        }
    }
}

/// When a photo's address ends to answer.
public enum PhotoEnd: Sendable, Equatable {
    /// As far away as that of a new photo of its tenant.
    case byPolicy
    /// With the request.
    case never
    case at(Timestamp)

    var moment: Timestamp? { if case .at(let moment) = self { moment } else { nil } }
}

/// A photo as operators see it: nothing of its content, nothing of what the camera wrote.
public struct ListedPhoto: Sendable, Equatable {
    public let position: Int
    public let token: String
    /// As the database has it: linked, received, redacting, ready, refused, revoked.
    public let state: String
    public let reason: String?
    public let receivedAt: Timestamp
    public let expiresAt: Timestamp?
    /// Of the public copy.
    public let bytes: Int?
    public let width: Int?
    public let height: Int?
}
