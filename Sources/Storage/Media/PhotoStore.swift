import Open311
import Postgres

/// What stands behind a photo's address.
public struct PublishedPhoto: Sendable, Equatable {
    public enum State: Sendable, Equatable {
        /// Stored, not cleaned yet.
        case received
        case ready(cleaned: [UInt8], bytes: Int, small: [UInt8], smallBytes: Int)
        /// Refused, revoked or expired.
        case gone
    }

    public let tenant: TenantKey
    public let state: State
}

/// Finds photos by their address, for whoever knows it. Nothing is remembered: a photo that was revoked is gone for the next caller.
public final class PhotoReader: Sendable {
    private typealias Outcome = Result<PublishedPhoto?, StorageError>

    private let connections: [PostgresConnection]
    /// Callers who come together ask together.
    private let work: GroupedWork<PhotoToken, Outcome, PostgresConnection>

    /// - Parameter configuration: of the gateway's role, which can ask by token only.
    public init(configuration: PostgresConfiguration, connections count: Int = 2) throws {
        connections = try (0..<count).map { _ in try PostgresConnection(configuration: configuration) }
        work = GroupedWork(maximumGroup: 128, maximumWaiting: 4_096, workers: connections) { connection, tokens in
            Self.photos(tokens, on: connection)
        }
    }

    /// - Returns: nil when no photo has this address.
    public func photo(_ token: PhotoToken) async throws(StorageError) -> PublishedPhoto? {
        guard let outcome = await work.submit(token) else { throw StorageError(.overloaded) }
        return try outcome.get()
    }

    private static func photos(_ tokens: [PhotoToken], on connection: isolated PostgresConnection) -> [Outcome] {
        do throws(PostgresError) {
            let found = try connection.run { (session) throws(PostgresError) in
                var found: [String: PublishedPhoto] = [:]
                let rows = try session.execute(PhotoSQL.published, [.texts(tokens.map(\.text))])
                for index in 0..<rows.count { found[try rows[index].text(0)] = try photo(rows[index]) }
                return found
            }
            return tokens.map { .success(found[$0.text]) }
        } catch {
            let failure = StorageError(error)
            return tokens.map { _ in .failure(failure) }
        }
    }

    private static func photo(_ row: Row) throws(PostgresError) -> PublishedPhoto? {
        guard let tenant = try? TenantKey(validating: try row.text(1)) else { return nil }
        let state: PublishedPhoto.State =
            switch try row.text(3) {
            case "received", "redacting": .received
            case "ready" where try !row.bool(4):
                .ready(
                    cleaned: try row.byteString(5), bytes: Int(try row.int32(6)), small: try row.byteString(7),
                    smallBytes: Int(try row.int32(8)))
            default: .gone
            }
        return PublishedPhoto(tenant: tenant, state: state)
    }

    public func close() async {
        for connection in connections { await connection.close() }
    }
}

/// A photo that waits to be cleaned.
public struct WaitingPhoto: Sendable {
    public let id: Int64
    public let request: ServiceRequestID
    public let tenant: TenantKey
    public let shard: Int16
    public let jurisdiction: String?
    public let token: PhotoToken
    /// Where the photo stands as it was sent.
    public let original: MediaKey
    public let type: PhotoType
    /// What the camera wrote.
    public let metadata: PhotoMetadata
    /// Of its tenant.
    public let policy: PhotoPolicy
    /// How often it was tried before.
    public let attempts: Int16
    /// Of the newest event of its request.
    public let sequence: Int32
    /// Nil for a new photo; for one that is shown, what shall be blurred in it.
    public let redaction: Redaction?

    public struct Redaction: Sendable {
        public let rectangles: [PhotoRectangle]
        /// Hashes of the copies that were shown.
        public let cleaned: [UInt8]
        public let small: [UInt8]
    }
}

/// The cleaner's side of the photos: takes what waits, one cleaner at a time for each photo, and settles it with its event.
public final class PhotoQueue: Sendable {
    let connection: PostgresConnection
    private let origin: ServiceRequestEvent.Origin

    /// - Parameters:
    ///   - configuration: of the role `bus311_photos`.
    ///   - origin: what events say of this installation.
    public init(configuration: PostgresConfiguration, origin: ServiceRequestEvent.Origin) throws {
        connection = try PostgresConnection(configuration: configuration)
        self.origin = origin
    }

    /// Takes the oldest photo that waits, and keeps it from other cleaners for `lease` seconds.
    public func take(lease: Int32) async throws(StorageError) -> WaitingPhoto? {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                try session.execute(PhotoSQL.take, [.int32(lease)]).first.map { (row) throws(PostgresError) in try Self.waiting(row) }
            } ?? nil
        }
    }

    private static func waiting(_ row: Row) throws(PostgresError) -> WaitingPhoto? {
        guard let tenant = try? TenantKey(validating: try row.text(2)), let token = PhotoToken(parsing: try row.text(5)),
            let type = PhotoType(rawValue: try row.text(6))
        else { return nil }
        let latitude = row.optionalDouble(7)
        let longitude = row.optionalDouble(8)
        return WaitingPhoto(
            id: try row.int64(0), request: ServiceRequestID(stored: try row.int64(1)), tenant: tenant, shard: try row.int16(3),
            jurisdiction: row.optionalText(4), token: token,
            original: MediaKey(tenant: tenant, kind: .original, name: try row.text(18)), type: type,
            metadata: PhotoMetadata(
                position: latitude.flatMap { latitude in longitude.flatMap { Coordinate(latitude: latitude, longitude: $0) } },
                takenAt: row.optionalText(9), orientation: row.isNull(16) ? nil : Int(try row.int16(16))),
            policy: PhotoPolicyJSON.policy(try row.json(17)), attempts: try row.int16(10), sequence: try row.int32(11),
            redaction: try row.bool(15)
                ? WaitingPhoto.Redaction(
                    rectangles: PhotoRedaction.rectangles(stored: try row.json(12)) ?? [], cleaned: try row.byteString(13),
                    small: try row.byteString(14)) : nil)
    }

    /// What is stored of a cleaned photo.
    public struct Copies: Sendable {
        public let cleaned: [UInt8]
        public let bytes: Int
        public let width: Int
        public let height: Int
        public let small: [UInt8]
        public let smallBytes: Int

        public init(cleaned: [UInt8], bytes: Int, width: Int, height: Int, small: [UInt8], smallBytes: Int) {
            self.cleaned = cleaned
            self.bytes = bytes
            self.width = width
            self.height = height
            self.small = small
            self.smallBytes = smallBytes
        }
    }

    /// Publishes the copies of a photo, or refuses it for good, with the event that says so.
    ///
    /// - Returns: false when another event of the request came between: the photo waits again at once.
    public func settle(_ photo: WaitingPhoto, _ outcome: Result<Copies, PhotoRefusal>) async throws(StorageError) -> Bool {
        let verdict: SettledPhoto.Verdict =
            switch outcome {
            case .success(let copies): .ready(sha256: copies.cleaned, bytes: copies.bytes, width: copies.width, height: copies.height)
            case .failure(let refusal): .refused(reason: refusal.rawValue)
            }
        let event = ServiceRequestEvent.mediaAdded(
            SettledPhoto(token: photo.token, metadata: photo.metadata, verdict: verdict), to: photo.request,
            sequence: photo.sequence + 1, tenant: photo.tenant, jurisdiction: photo.jurisdiction, origin: origin)
        var parameters: [Parameter] = [.int64(photo.id), .int32(photo.sequence)]
        switch outcome {
        case .success(let copies):
            parameters += [
                .text("ready"), .null, .bytes(copies.cleaned), .int32(Int32(clamping: copies.bytes)), .int32(Int32(clamping: copies.width)),
                .int32(Int32(clamping: copies.height)), .bytes(copies.small), .int32(Int32(clamping: copies.smallBytes)),
            ]
        case .failure(let refusal):
            parameters += [.text("refused"), .text(refusal.rawValue), .null, .null, .null, .null, .null, .null]
        }
        parameters += [
            .uuid(high: event.id.high, low: event.id.low), .int16(photo.shard), .text(event.kind.rawValue), .bytes(event.body),
        ]
        let all = parameters
        return try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                let settled =
                    try session.execute(PhotoSQL.settle, all).first.map { (row) throws(PostgresError) in try row.bool(0) } ?? false
                _ = try session.execute(settled ? IngestSQL.notify : PhotoSQL.again, settled ? [] : [.int64(photo.id)])
                return settled
            }
        }
    }

    /// Gives a photo back that could not be worked on for a reason of ours: it is taken again in half a minute.
    public func putBack(_ photo: WaitingPhoto) async throws(StorageError) {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                _ = try session.execute(PhotoSQL.putBack, [.int64(photo.id)])
            }
        }
    }

    /// Which of these names of files nobody refers to: 500 at a time at most.
    public func unknown(_ kind: MediaKey.Kind, _ names: [String], of tenant: TenantKey) async throws(StorageError) -> [String] {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                try session.execute(
                    kind == .original ? PhotoSQL.unknownOriginals : PhotoSQL.unknownCopies,
                    kind == .original ? [.texts(names)] : [.texts(names), .text(tenant.rawValue)]
                ).map { (row) throws(PostgresError) in try row.text(0) }
            }
        }
    }

    public func close() async { await connection.close() }
}

/// Why a photo is not shown. The code goes to the CRM, and nothing of the file with it.
public enum PhotoRefusal: String, Error, Sendable, CaseIterable {
    /// No picture, or a broken one.
    case unreadable
    /// More pixels than this installation decodes.
    case tooManyPixels = "too_many_pixels"
    /// Cleaning took more time or memory than it may.
    case tooCostly = "too_costly"
}
