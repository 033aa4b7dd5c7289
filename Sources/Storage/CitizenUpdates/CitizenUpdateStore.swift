import Open311
import Postgres

/// One lifecycle update as other systems fetch it.
public struct PublishedUpdate: Sendable, Equatable {
    public let request: ServiceRequestID
    /// What citizens call it.
    public let publicID: String
    /// The CRM's own, unique for its request.
    public let id: String
    /// When it became visible here.
    public let at: Timestamp
    public let status: StatusUpdate.RequestedStatus?
    public let notes: String?
    /// The CRM's reference of the request.
    public let reference: String?
}

/// Why a citizen's update was not recorded.
public enum CitizenUpdateRefusal: Error, Sendable {
    /// No such request of this tenant, or none that is shown.
    case unknownRequest
    case storage(StorageError)
}

/// Updates between systems of citizens and the city: records theirs with the event that tells the CRM, and hands out the CRM's.
public final class CitizenUpdateStore: Sendable {
    private let pool: PostgresPool
    private let origin: ServiceRequestEvent.Origin

    /// A list holds no more.
    public static let maximumCount = 10_000
    /// Another event of the same request may come between reading it and recording.
    private static let attempts = 5

    /// - Parameters:
    ///   - configuration: of the role that sees one tenant at a time.
    ///   - origin: what events say of this installation.
    public init(configuration: PostgresConfiguration, origin: ServiceRequestEvent.Origin, connections: Int = 1) throws {
        pool = try PostgresPool(configuration: configuration, size: connections)
        self.origin = origin
    }

    /// Records an update with its event, in one transaction.
    ///
    /// - Parameter key: the public id of the key that sent it.
    /// - Returns: its number here; the same for a repetition.
    /// - Throws: ``CitizenUpdateRefusal``; `conflict` inside of it when the id came before with another content.
    public func record(
        _ update: CitizenUpdate, to request: ServiceRequestID, of tenant: Tenant, key: String
    ) async throws(CitizenUpdateRefusal) -> Int64 {
        let origin = self.origin
        for _ in 0..<Self.attempts {
            let outcome: Result<Int64?, CitizenUpdateRefusal>
            do {
                outcome = try await pool.run { (session) throws(PostgresError) in
                    try Self.attempt(update, request, tenant, key, origin, session)
                }
            } catch {
                throw .storage(StorageError(error))
            }
            if let number = try outcome.get() { return number }
        }
        throw .storage(StorageError(.overloaded, detail: "the request changes too fast"))
    }

    /// - Returns: nil when another event came between.
    private static func attempt(
        _ update: CitizenUpdate, _ request: ServiceRequestID, _ tenant: Tenant, _ key: String, _ origin: ServiceRequestEvent.Origin,
        _ session: Session
    ) throws(PostgresError) -> Result<Int64?, CitizenUpdateRefusal> {
        let answers = try session.pipeline([
            RequestSQL.tenant(tenant.id), (CitizenUpdateSQL.snapshot, [.int32(tenant.id.rawValue), .int64(request.rawValue)]),
            (RequestSQL.reporters, [.int64s([request.rawValue])]),
        ])
        guard let row = answers[1].first else { return .failure(.unknownRequest) }
        let snapshot = try ServiceRequestRow.snapshot(row, reporter: answers[2].first)
        let events = ServiceRequestEvent.updated(snapshot, by: update, tenant: tenant, origin: origin)
        guard events.allSatisfy({ $0.body.count <= ServiceRequestEvent.maximumSize }) else {
            return .failure(.storage(StorageError(.tooLarge)))
        }
        let recorded = try session.pipeline([
            RequestSQL.tenant(tenant.id),
            (
                CitizenUpdateSQL.record,
                [
                    .int64(request.rawValue), .int32(snapshot.sequence), .text(key), .text(update.id), .bytes(update.fingerprint),
                    .timestamp(update.occurredAt.microseconds), .text(update.status), .text(update.description), .texts(update.mediaURLs),
                    .int16(tenant.shard),
                ] + EventRows.parameters(events)
            ),
        ])
        guard let kept = recorded[1].first else { return .success(nil) }
        guard try kept.byteString(1) == update.fingerprint else { return .failure(.storage(StorageError(.conflict))) }
        // A relay that is not told finds it at its next look; a test endpoint tells nobody.
        if !tenant.id.isTest { _ = try session.execute(IngestSQL.notify) }
        return .success(try kept.int64(0))
    }

    /// The lifecycle updates that became visible from the first moment to the last second's end, oldest first.
    public func published(
        from: Timestamp, to: Timestamp, of tenant: TenantID
    ) async throws(StorageError) -> [PublishedUpdate] {
        // Answers have whole seconds: the last one belongs to the window with all its fractions.
        let end = Timestamp(seconds: to.seconds + 1)
        return try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                let answers = try session.pipeline([
                    RequestSQL.tenant(tenant),
                    (
                        CitizenUpdateSQL.published,
                        [
                            .int32(tenant.rawValue), .timestamp(from.microseconds), .timestamp(end.microseconds),
                            .int32(Int32(Self.maximumCount)),
                        ]
                    ),
                ])
                return try answers[1].map { (row) throws(PostgresError) in
                    let number = try row.int64(0)
                    return PublishedUpdate(
                        request: ServiceRequestID(stored: number), publicID: row.optionalText(6) ?? String(number),
                        id: try row.text(1),
                        at: Timestamp(microseconds: try row.timestamp(2)),
                        status: row.optionalText(3).flatMap { try? StatusUpdate.RequestedStatus(stored: $0) },
                        notes: row.optionalText(4),
                        reference: row.optionalText(5))
                }
            }
        }
    }

    public func close() async { await pool.close() }
}
