import Open311
import Postgres

/// Whose queues the watch looks at.
public struct WatchedTenant: Sendable, Hashable {
    public let id: TenantID
    public let key: TenantKey
    public let virtualHost: String
}

/// Somebody who is connected as a tenant's user.
public struct SeenConsumer: Sendable, Hashable {
    public let tenant: TenantID
    /// The AMQP user, what the client calls itself, the host it connects from: at most 300 characters.
    public let name: String
    /// Whether it consumes the request queue.
    public let consumes: Bool

    public init(tenant: TenantID, name: String, consumes: Bool) {
        self.tenant = tenant
        self.name = name
        self.consumes = consumes
    }
}

/// What the watch of the queues writes down.
public final class QueueWatchStore: Sendable {
    private let connection: PostgresConnection

    /// - Parameter configuration: of the watch role.
    public init(configuration: PostgresConfiguration) throws { connection = try PostgresConnection(configuration: configuration) }

    public func close() async { await connection.close() }

    public func tenants() async throws(StorageError) -> [WatchedTenant] {
        try await run { (session) throws(PostgresError) in
            try session.execute(QueueWatchSQL.tenants).map { (row) throws(PostgresError) in
                guard let key = try? TenantKey(validating: try row.text(1)) else {
                    throw PostgresError(.decoding, detail: "a stored tenant key breaks its rule")
                }
                return WatchedTenant(id: TenantID(try row.int32(0)), key: key, virtualHost: try row.text(2))
            }
        }
    }

    /// Who was there when last looked, by this watch or another.
    public func consumers() async throws(StorageError) -> Set<SeenConsumer> {
        try await run { (session) throws(PostgresError) in
            Set(
                try session.execute(QueueWatchSQL.present).map { (row) throws(PostgresError) in
                    SeenConsumer(tenant: TenantID(try row.int32(0)), name: try row.text(1), consumes: try row.bool(2))
                })
        }
    }

    public func record(appeared: Set<SeenConsumer>, vanished: Set<SeenConsumer>) async throws(StorageError) {
        let steps: [(statement: Statement, parameters: [Parameter])] =
            vanished.map { (QueueWatchSQL.vanish, Self.row($0)) } + appeared.map { (QueueWatchSQL.appear, Self.row($0)) }
        guard !steps.isEmpty else { return }
        try await run { (session) throws(PostgresError) in _ = try session.pipeline(steps) }
    }

    private static func row(_ consumer: SeenConsumer) -> [Parameter] {
        [.int32(consumer.tenant.rawValue), .text(consumer.name), .bool(consumer.consumes)]
    }

    public func forgetConsumers() async throws(StorageError) {
        try await run { (session) throws(PostgresError) in _ = try session.execute(QueueWatchSQL.forget) }
    }

    /// Writes down that messages have left a tenant's queue and nobody took them.
    ///
    /// - Parameters:
    ///   - depth: of the queue before.
    ///   - missing: how many.
    /// - Returns: the incident, and whether it is a new one.
    public func notice(
        _ kind: QueueIncident.Kind, of tenant: TenantID, queue: String, depth: Int, missing: Int, at moment: Timestamp
    ) async throws(StorageError) -> (number: Int64, isNew: Bool, from: Timestamp, to: Timestamp) {
        try await run { (session) throws(PostgresError) in
            // A few more than were there: the order in the queue is nearly that of the database.
            let wanted = Int64(depth) + Int64(depth) / 5 + 100
            let oldest = try session.execute(QueueWatchSQL.oldest, [.int32(tenant.rawValue), .int64(wanted)]).first?.optionalTimestamp(0)
            // Whole seconds around: as a person will type them.
            let second: Int64 = 1_000_000
            let from = (oldest ?? moment.microseconds) / second * second
            let to = (moment.microseconds / second + 1) * second
            let rows = try session.execute(
                QueueWatchSQL.notice,
                [
                    .int32(tenant.rawValue), .text(kind.rawValue), .text(queue), .int64(Int64(missing)), .timestamp(from), .timestamp(to),
                ])
            guard let row = rows.first else { throw PostgresError(.decoding, detail: "no incident came back") }
            return (try row.int64(0), try row.bool(1), Timestamp(microseconds: from), Timestamp(microseconds: to))
        }
    }

    /// Writes down what differs on the broker now; tenants that are not named are as they should be.
    public func record(drift: [TenantID: String], of all: [TenantID]) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            var steps: [(statement: Statement, parameters: [Parameter])] = drift.map {
                (QueueWatchSQL.drift, [.int32($0.key.rawValue), .text($0.value)])
            }
            steps.append((QueueWatchSQL.driftEnds, [.int32s(all.filter { drift[$0] == nil }.map(\.rawValue))]))
            _ = try session.pipeline(steps)
        }
    }

    private func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await connection.run(body) }
    }
}
