import Open311
import Postgres

/// An event that waits for the broker.
public struct OutboxEntry: Sendable {
    /// Sort key; a later one may appear below an earlier one that was already read.
    public let seq: Int64
    public let eventID: EventID
    public let tenant: TenantID
    public let tenantKey: TenantKey
    public let virtualHost: String
    public let requestID: ServiceRequestID?
    /// 1 at a request's first event; 0 for what belongs to no request.
    public let requestSequence: Int32
    /// `service_request.created.v1`.
    public let type: String
    public let body: [UInt8]
    /// How often publishing it has failed.
    public let attempts: Int32
    public let createdAt: Timestamp
    /// The id of what it answers, when that is no request.
    public let correlationID: String?
    /// The job that sends it again; nil for an event on its first way.
    public let replay: Int64?
    /// When the version it is written in ends, for a tenant that is changing over to the next one.
    public let sunset: Timestamp?
    /// W3C `traceparent` of the POST that it tells of.
    public let trace: TraceContext?

    public init(
        seq: Int64, eventID: EventID, tenant: TenantID, tenantKey: TenantKey, virtualHost: String, requestID: ServiceRequestID?,
        requestSequence: Int32, type: String, body: [UInt8], attempts: Int32, createdAt: Timestamp, correlationID: String? = nil,
        replay: Int64? = nil, contractSunset: Timestamp? = nil, trace: TraceContext? = nil
    ) {
        self.seq = seq
        self.eventID = eventID
        self.tenant = tenant
        self.tenantKey = tenantKey
        self.virtualHost = virtualHost
        self.requestID = requestID
        self.requestSequence = requestSequence
        self.type = type
        self.body = body
        self.attempts = attempts
        self.createdAt = createdAt
        self.correlationID = correlationID
        self.replay = replay
        self.trace = trace
        sunset = contractSunset.flatMap { ServiceRequestEvent.Kind(rawValue: type)?.successor == nil ? nil : $0 }
    }

    /// `<tenant>.service_request.created`: the type without its version, behind the tenant's key.
    public var routingKey: String {
        let words = type.split(separator: ".")
        let name = words.last?.first == "v" ? words.dropLast() : words[...]
        return ([Substring(tenantKey.rawValue)] + name).joined(separator: ".")
    }

    /// Rows of a few tenants each: a tenant's key is checked once.
    static func all(in rows: Rows) throws(PostgresError) -> [OutboxEntry] {
        var known: [Int32: TenantKey] = [:]
        return try rows.map { (row) throws(PostgresError) in
            let tenant = try row.int32(2)
            guard let key = try known[tenant] ?? (try? TenantKey(validating: try row.text(3))) else {
                throw PostgresError(.decoding, detail: "a stored tenant key breaks its rule")
            }
            known[tenant] = key
            return try OutboxEntry(row, key)
        }
    }

    private init(_ row: Row, _ key: TenantKey) throws(PostgresError) {
        let uuid = try row.uuid(1)
        self.init(
            seq: try row.int64(0),
            eventID: EventID(high: uuid.high, low: uuid.low),
            tenant: TenantID(try row.int32(2)),
            tenantKey: key,
            virtualHost: try row.text(4),
            requestID: row.optionalInt64(5).map { ServiceRequestID(stored: $0) },
            requestSequence: try row.int32(6),
            type: try row.text(7),
            body: try row.byteString(8),
            attempts: try row.int32(9),
            createdAt: Timestamp(microseconds: try row.timestamp(10)),
            correlationID: row.optionalText(11),
            replay: row.optionalInt64(12),
            contractSunset: row.optionalTimestamp(13).map { Timestamp(microseconds: $0) },
            trace: row.optionalText(14).flatMap { TraceContext(parsing: $0) }
        )
    }
}

/// How much of a shard waits.
public struct ShardBacklog: Sendable, Equatable {
    public let shard: Int16
    public let pending: Int64
    public let oldestCreatedAt: Timestamp?
    public let parked: Int64
}

/// The outbox as relays see it.
public final class OutboxStore: Sendable {
    private let configuration: PostgresConfiguration
    let connection: PostgresConnection
    /// For looking ahead, which takes its time: what was hinted at must not wait for it.
    let lookout: PostgresConnection

    /// - Parameter configuration: of the relay's role; a direct session, for the lock does not survive a transaction pooler.
    public init(configuration: PostgresConfiguration) throws {
        let configuration = configuration.readingInOrder
        self.configuration = configuration
        connection = try PostgresConnection(configuration: configuration)
        lookout = try PostgresConnection(configuration: configuration)
    }

    /// Tries to become the leader of a shard.
    ///
    /// - Returns: nil when another relay leads it.
    public func lead(_ shard: Int16) async throws(StorageError) -> ShardLeadership? {
        let session: PostgresConnection
        // A settlement that a crash of the server takes back is published again: at least once holds, and no settlement waits
        // for the disk.
        do {
            session = try PostgresConnection(configuration: configuration.endingWhenFrozen.setting("synchronous_commit", to: "off"))
        } catch {
            throw StorageError(.internalFault)
        }
        let isLeader: Bool
        do {
            isLeader = try await storing { () async throws(PostgresError) in
                try await session.run { (session) throws(PostgresError) in
                    try session.execute(OutboxSQL.lead, [.int32(Int32(shard))]).first?.bool(0) ?? false
                }
            }
        } catch {
            await session.close()
            throw error
        }
        guard isLeader else {
            await session.close()
            return nil
        }
        return ShardLeadership(shard: shard, connection: session)
    }

    /// What waits, by shard; shards with nothing are left out.
    public func statistics() async throws(StorageError) -> [ShardBacklog] {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                try session.execute(OutboxSQL.statistics).map { (row) throws(PostgresError) in
                    ShardBacklog(
                        shard: try row.int16(0), pending: try row.int64(1),
                        oldestCreatedAt: row.optionalTimestamp(2).map { Timestamp(microseconds: $0) }, parked: try row.int64(3))
                }
            }
        }
    }

    /// How many events of each tenant wait for a person; tenants with none are there with zero.
    public func parked() async throws(StorageError) -> [(tenant: TenantKey, count: Int64)] {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                var counts: [(tenant: TenantKey, count: Int64)] = []
                for row in try session.execute(OutboxSQL.parked).map({ (row) throws(PostgresError) in (try row.text(0), try row.int64(1)) })
                {
                    if let key = try? TenantKey(validating: row.0) { counts.append((key, row.1)) }
                }
                return counts
            }
        }
    }

    public func close() async {
        await connection.close()
        await lookout.close()
    }
}

extension PostgresConfiguration {
    /// Rows come out of their indexes, in order, whatever the statistics say: those of a table that is filled and emptied within a minute
    /// are always wrong, and a plan that sorts, or goes through a table, reads all that waits for each look at what is next.
    var readingInOrder: PostgresConfiguration {
        setting("plan_cache_mode", to: "force_generic_plan").setting("enable_sort", to: "off").setting("enable_seqscan", to: "off")
            // The planner avoids both by their price, by which it would find everything worth compiling.
            .setting("jit", to: "off")
    }
}
