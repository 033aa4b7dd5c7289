import Open311
import Postgres

enum TimelineSQL {
    static let all = [owner, request, events, updates]

    static let owner = Statement("timeline_owner", "select o.tenant from bus311_owner($1::bigint) as o (tenant) where o.tenant is not null")

    static let request = Statement(
        "timeline_request",
        "select requested_at, open, acknowledged_at, erased_at is not null from service_requests where tenant_id = $1::integer and id = $2::bigint"
    )

    static let events = Statement(
        "timeline_events",
        """
        select sequence, type, state, attempts, reason, received, stored, published, confirmed, replayed
        from bus311_timeline($1::bigint)
        """)

    static let updates = Statement(
        "timeline_updates",
        """
        select received_at, applied, status from status_updates
        where tenant_id = $1::integer and request_id = $2::bigint order by received_at, update_id
        """)
}

/// Reads timelines for whoever may: the tenant over status-ingest, an operator by command.
enum TimelineReader {
    /// - Returns: nil when the tenant has no such request.
    static func read(
        _ request: ServiceRequestID, of tenant: TenantID, _ session: Session
    ) throws(PostgresError) -> RequestTimeline? {
        let own: [Parameter] = [.int32(tenant.rawValue), .int64(request.rawValue)]
        let answers = try session.pipeline([
            RequestSQL.tenant(tenant), (TimelineSQL.request, own), (TimelineSQL.events, [.int64(request.rawValue)]),
            (TimelineSQL.updates, own),
        ])
        guard let row = answers[1].first else { return nil }
        var moments: [RequestTimeline.Station: Timestamp] = [.received: Timestamp(microseconds: try row.timestamp(0))]
        let events = try answers[2].map { (row) throws(PostgresError) in
            let event = RequestTimeline.Event(
                sequence: try row.int32(0), type: try row.text(1), state: try row.text(2), attempts: try row.int32(3),
                reason: row.optionalText(4), publishedAt: row.optionalTimestamp(7).map { Timestamp(microseconds: $0) },
                confirmedAt: row.optionalTimestamp(8).map { Timestamp(microseconds: $0) }, isReplay: try row.bool(9))
            if event.sequence == 1, !event.isReplay { moments[.stored] = row.optionalTimestamp(6).map { Timestamp(microseconds: $0) } }
            return event
        }
        // No event tells it of one that has none.
        if tenant.isTest { moments[.stored] = moments[.received] }
        // An event that a person gave up may have reached the CRM by a later one, or by a replay: that is when the bus had it.
        moments[.published] = events.compactMap(\.publishedAt).min()
        moments[.confirmed] = events.compactMap(\.confirmedAt).min()
        let updates = try answers[3].map { (row) throws(PostgresError) in
            (at: Timestamp(microseconds: try row.timestamp(0)), isApplied: try row.bool(1), status: row.optionalText(2))
        }
        moments[.acknowledged] = row.optionalTimestamp(2).map { Timestamp(microseconds: $0) }
        let statuses = updates.filter { $0.isApplied && $0.status != nil }
        moments[.firstStatus] = statuses.first?.at
        if !(try row.bool(1)) { moments[.closed] = statuses.last { Self.closes($0.status) }?.at }
        return RequestTimeline(
            request: request, moments: moments, events: events, isTest: tenant.isTest, isErased: try row.bool(3))
    }

    private static func closes(_ status: String?) -> Bool {
        switch status.flatMap({ try? StatusUpdate.RequestedStatus(stored: $0) }) {
        case .general(let word): word == .closed
        case .detailed(let status): status.publicStatus == .closed
        case nil: false
        }
    }
}

extension StatusUpdateStore {
    /// - Returns: nil when the tenant has no such request.
    public func timeline(of request: ServiceRequestID, tenant: TenantID) async throws(StorageError) -> RequestTimeline? {
        try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in try TimelineReader.read(request, of: tenant, session) }
        }
    }
}

extension AdministrationStore {
    /// Whose a request is; nil when nobody has it.
    public func owner(of request: ServiceRequestID) async throws(StorageError) -> TenantID? {
        try await run { (session) throws(PostgresError) in
            try session.execute(TimelineSQL.owner, [.int64(request.rawValue)]).first.map { (row) throws(PostgresError) in
                TenantID(try row.int32(0))
            }
        }
    }

    /// - Returns: nil when no tenant has such a request.
    public func timeline(of request: ServiceRequestID) async throws(StorageError) -> RequestTimeline? {
        try await run { (session) throws(PostgresError) in
            guard let tenant = try session.execute(TimelineSQL.owner, [.int64(request.rawValue)]).first?.int32(0) else { return nil }
            return try TimelineReader.read(request, of: TenantID(tenant), session)
        }
    }
}
