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
    /// When its address ends to answer.
    public let expiresAt: Timestamp?
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
            case "received" where try !row.bool(4), "redacting" where try !row.bool(4): .received
            case "ready" where try !row.bool(4):
                .ready(
                    cleaned: try row.byteString(5), bytes: Int(try row.int32(6)), small: try row.byteString(7),
                    smallBytes: Int(try row.int32(8)))
            default: .gone
            }
        return PublishedPhoto(
            tenant: tenant, state: state, expiresAt: row.optionalTimestamp(9).map { Timestamp(microseconds: $0) })
    }

    public func close() async {
        for connection in connections { await connection.close() }
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
    ///
    /// - Parameter isBlurred: of tenants with a blur command, or of the others.
    public func take(lease: Int32, isBlurred: Bool) async throws(StorageError) -> WaitingPhoto? {
        try await take(PhotoSQL.take, [.int32(lease), .bool(isBlurred)])
    }

    /// Takes the oldest link that is to be copied, likewise.
    public func takeLink(lease: Int32) async throws(StorageError) -> WaitingPhoto? {
        try await take(PhotoSQL.takeLink, [.int32(lease)])
    }

    private func take(_ statement: Statement, _ parameters: [Parameter]) async throws(StorageError) -> WaitingPhoto? {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                try session.execute(statement, parameters).first.map { (row) throws(PostgresError) in try WaitingPhoto(row) }
            } ?? nil
        }
    }

    /// The photo behind a link is in the media store: it waits to be cleaned like any other.
    public func received(_ link: WaitingPhoto, _ photo: SubmittedPhoto) async throws(StorageError) {
        try await run(
            PhotoSQL.received,
            [
                .int64(link.id), .text(photo.type.rawValue), .int32(Int32(clamping: photo.bytes)), .bytes(photo.sha256),
                .double(photo.metadata.position?.latitude), .double(photo.metadata.position?.longitude), .text(photo.metadata.takenAt),
                .int16(Int16(clamping: photo.metadata.orientation ?? 0)),
            ])
    }

    /// Tells the CRM of an address that an operator changed.
    ///
    /// - Returns: false when another event of the request came between: the photo waits again at once.
    public func announce(_ photo: WaitingPhoto, _ verdict: SettledPhoto.Verdict) async throws(StorageError) -> Bool {
        let event = event(of: photo, verdict)
        return try await settle(
            photo, PhotoSQL.announce,
            [
                .int64(photo.id), .int32(photo.sequence), .uuid(high: event.id.high, low: event.id.low), .int16(photo.shard),
                .text(event.kind.rawValue), .bytes(event.body),
            ])
    }

    private func event(of photo: WaitingPhoto, _ verdict: SettledPhoto.Verdict) -> ServiceRequestEvent {
        var settled = SettledPhoto(token: photo.token, metadata: photo.metadata, verdict: verdict)
        settled.expiresAt = photo.expiresAt
        settled.replaced = photo.replaced
        settled.sourceURL = photo.sourceURL
        if let here = photo.metadata.position, let there = photo.requestPosition, photo.sourceURL != nil {
            settled.distance = here.distance(to: there)
        }
        return ServiceRequestEvent.mediaAdded(
            settled, to: photo.request, sequence: photo.sequence + 1, tenant: photo.tenant, jurisdiction: photo.jurisdiction, origin: origin
        )
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
        let event = event(of: photo, verdict)
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
        return try await settle(photo, PhotoSQL.settle, parameters)
    }

    private func settle(_ photo: WaitingPhoto, _ statement: Statement, _ parameters: [Parameter]) async throws(StorageError) -> Bool {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                let settled =
                    try session.execute(statement, parameters).first.map { (row) throws(PostgresError) in try row.bool(0) } ?? false
                _ = try session.execute(settled ? IngestSQL.notify : PhotoSQL.again, settled ? [] : [.int64(photo.id)])
                return settled
            }
        }
    }

    /// Gives a photo back that could not be worked on for a reason of ours: it is taken again in half a minute.
    public func putBack(_ photo: WaitingPhoto) async throws(StorageError) { try await run(PhotoSQL.putBack, [.int64(photo.id)]) }

    /// Has a photo tried again, in so many seconds; this attempt counts.
    public func retry(_ photo: WaitingPhoto, after pause: Int32) async throws(StorageError) {
        try await run(PhotoSQL.retry, [.int64(photo.id), .int32(pause)])
    }

    private func run(_ statement: Statement, _ parameters: [Parameter]) async throws(StorageError) {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in _ = try session.execute(statement, parameters) }
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
    /// Cleaning took longer than it may, again and again.
    case tooSlow = "too_slow"
    /// The city's own blur command failed, again and again.
    case hookFailed = "hook_failed"
    /// The link leads where no link of a stranger is followed: a private address, another port, no https, too many redirects.
    case linkNotAllowed = "link_not_allowed"
    /// Nothing came from the link in several tries.
    case linkUnreachable = "link_unreachable"
    case linkTooLarge = "link_too_large"
    /// A picture of a kind that the city does not take.
    case kindNotTaken = "kind_not_taken"
}
