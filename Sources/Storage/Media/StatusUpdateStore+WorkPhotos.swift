import Open311
import Postgres

enum WorkPhotoSQL {
    static let all = [add]

    static let add = Statement(
        "work_photos_add",
        """
        select outcome, kept_token from bus311_add_work_photo(
            $1::bigint, $2::text, $3::text, $4::integer, $5::bytea, $6::text, $7::smallint, $8::integer)
        """)
}

/// What became of a photo that a CRM sent.
public enum AddedPhoto: Sendable, Equatable {
    case added(PhotoToken)
    /// The request has this very file from the CRM already: what was kept anew is to be removed.
    case repeated(PhotoToken)
    case unknownRequest
    case erasedRequest
    /// The request has as many of the CRM's as it may.
    case full
    /// With those of the citizen and the links the request has ``ServiceRequestEvent/maximumMedia``.
    case crowded
}

extension StatusUpdateStore {
    /// Adds a photo, which is in the media store already, to a request.
    ///
    /// - Parameter maximum: of the CRM's photos of one request.
    public func add(
        _ photo: SubmittedPhoto, to request: ServiceRequestID, of tenant: TenantID, atMost maximum: Int
    ) async throws(StorageError) -> AddedPhoto {
        try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                let answers = try session.pipeline([
                    RequestSQL.tenant(tenant),
                    (
                        WorkPhotoSQL.add,
                        [
                            .int64(request.rawValue), .text(photo.token.text), .text(photo.type.rawValue),
                            .int32(Int32(clamping: photo.bytes)), .bytes(photo.sha256), .text(photo.metadata.takenAt),
                            .int16(Int16(clamping: photo.metadata.orientation ?? 0)),
                            .int32(Int32(clamping: maximum)),
                        ]
                    ),
                ])
                guard let row = answers[1].first else { throw PostgresError(.decoding, detail: "no outcome came back") }
                let token = row.optionalText(1).flatMap { PhotoToken(parsing: $0) }
                switch (try row.text(0), token) {
                case ("added", let token?): return .added(token)
                case ("repeated", let token?): return .repeated(token)
                case ("unknown", _): return .unknownRequest
                case ("erased", _): return .erasedRequest
                case ("full", _): return .full
                case ("crowded", _): return .crowded
                default: throw PostgresError(.decoding, detail: "an unknown outcome")
                }
            }
        }
    }
}
