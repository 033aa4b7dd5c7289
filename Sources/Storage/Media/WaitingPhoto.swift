import Open311
import Postgres

/// A photo with which something is to be done.
public struct WaitingPhoto: Sendable {
    public enum Task: Sendable {
        /// It is a link still.
        case copy
        case clean
        /// It is shown, and parts of it shall be blurred.
        case redact(Redaction)
        /// An operator changed its address: the CRM is to be told.
        case announce(SettledPhoto.Verdict)
    }

    public struct Redaction: Sendable {
        public let rectangles: [PhotoRectangle]
        /// Hashes of the copies that were shown.
        public let cleaned: [UInt8]
        public let small: [UInt8]
    }

    public let id: Int64
    public let task: Task
    public let request: ServiceRequestID
    public let tenant: TenantKey
    public let shard: Int16
    public let jurisdiction: String?
    public let token: PhotoToken
    /// Where the photo stands, or shall stand, as it was sent.
    public let original: MediaKey
    /// What the camera wrote.
    public let metadata: PhotoMetadata
    /// Of its tenant.
    public let policy: PhotoPolicy
    /// How often it was tried before.
    public let attempts: Int16
    /// Of the newest event of its request.
    public let sequence: Int32
    public let expiresAt: Timestamp?
    /// The citizen's link that it is copied from.
    public let sourceURL: String?
    /// The address that it had, if the CRM does not know yet that it has another.
    public let replaced: PhotoToken?
    public let requestPosition: Coordinate?

    public var redaction: Redaction? { if case .redact(let redaction) = task { redaction } else { nil } }

    /// - Returns: nil when the row breaks a rule of the domain, which only a hand-made row can.
    init?(_ row: Row) throws(PostgresError) {
        guard let tenant = try? TenantKey(validating: try row.text(2)), let token = PhotoToken(parsing: try row.text(5)) else { return nil }
        id = try row.int64(0)
        request = ServiceRequestID(stored: try row.int64(1))
        self.tenant = tenant
        shard = try row.int16(3)
        jurisdiction = row.optionalText(4)
        self.token = token
        metadata = PhotoMetadata(
            position: Self.position(row, 6), takenAt: row.optionalText(8), orientation: row.isNull(9) ? nil : Int(try row.int16(9)))
        attempts = try row.int16(10)
        sequence = try row.int32(11)
        switch try row.text(12) {
        case "linked": task = .copy
        case "received": task = .clean
        case "redacting":
            task = .redact(
                Redaction(
                    rectangles: PhotoRedaction.rectangles(stored: try row.json(13)) ?? [], cleaned: try row.byteString(14),
                    small: try row.byteString(15)))
        case "ready":
            task = .announce(
                .ready(
                    sha256: try row.byteString(14), bytes: Int(try row.int32(16)), width: Int(try row.int32(17)),
                    height: Int(try row.int32(18))))
        default: task = .announce(.revoked)
        }
        policy = PhotoPolicyJSON.policy(try row.json(19))
        original = MediaKey(tenant: tenant, kind: .original, name: try row.text(20))
        expiresAt = row.optionalTimestamp(21).map { Timestamp(microseconds: $0) }
        sourceURL = row.optionalText(22)
        replaced = row.optionalText(23).flatMap { PhotoToken(parsing: $0) }
        requestPosition = Self.position(row, 24)
    }

    private static func position(_ row: Row, _ column: Int) -> Coordinate? {
        let latitude = row.optionalDouble(column)
        let longitude = row.optionalDouble(column + 1)
        return latitude.flatMap { latitude in longitude.flatMap { Coordinate(latitude: latitude, longitude: $0) } }
    }
}
