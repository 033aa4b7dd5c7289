import Crypto
import NIOConcurrencyHelpers
import Open311
import Postgres

/// An event that the broker has confirmed.
public struct Settlement: Sendable {
    public let seq: Int64
    /// When it was written to the broker.
    public let publishedAt: Timestamp
    /// From then to the confirm.
    public let latency: Duration
    /// SHA-256 of what was written, for the audit.
    let digest: [UInt8]

    /// - Parameter body: what was written.
    public init(seq: Int64, publishedAt: Timestamp, latency: Duration = .zero, body: [UInt8]) {
        self.seq = seq
        self.publishedAt = publishedAt
        self.latency = latency
        digest = Array(SHA256.hash(data: body))
    }
}

/// The right to publish one shard's events: an advisory lock that lives and dies with its session.
///
/// Every read and every settlement runs on that very session. When it is lost, the lock is, and every method throws from then
/// on: a relay that was frozen while another took over cannot settle anything.
public final class ShardLeadership: Sendable {
    public let shard: Int16
    private let connection: PostgresConnection
    private let isLost = NIOLockedValueBox(false)

    init(shard: Int16, connection: PostgresConnection) {
        self.shard = shard
        self.connection = connection
    }

    /// Pending events above `seq` whose next attempt is due, lowest first.
    ///
    /// - Parameters:
    ///   - seq: an optimisation only: read from 0 again after a read that returned fewer than `limit`.
    ///   - limit: 1 to 1,000.
    ///   - excluded: tenants that are backing off.
    public func pending(after seq: Int64, limit: Int, excludingTenants excluded: [TenantID]) async throws(StorageError) -> [OutboxEntry] {
        try await run { [shard] (session) throws(PostgresError) in
            let parameters: [Parameter] = [.int16(shard), .int64(seq), .int32(Int32(limit)), .int32s(excluded.map(\.rawValue))]
            return try OutboxEntry.all(in: try session.execute(OutboxSQL.pending, parameters))
        }
    }

    /// Those of these requests whose personal data were erased meanwhile: what was read of them before must not be published.
    public func erased(among requests: [ServiceRequestID]) async throws(StorageError) -> Set<ServiceRequestID> {
        try await run { (session) throws(PostgresError) in
            Set(
                try session.execute(OutboxSQL.erased, [.int64s(requests.map(\.rawValue))]).map { (row) throws(PostgresError) in
                    ServiceRequestID(stored: try row.int64(0))
                })
        }
    }

    /// The broker has them.
    public func confirm(_ settlements: [Settlement]) async throws(StorageError) {
        let seqs = settlements.map(\.seq)
        guard let first = seqs.min(), let last = seqs.max() else { return }
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(
                OutboxSQL.confirm,
                [
                    .int64s(seqs), .int64(first), .int64(last), .timestamps(settlements.map { $0.publishedAt.microseconds }),
                    .int64s(settlements.map { Int64($0.latency / .microseconds(1)) }), .byteStrings(settlements.map(\.digest)),
                ])
        }
    }

    /// Not now: tried again after the pause.
    ///
    /// - Parameter reason: a short code of ours, never data.
    public func postpone(_ seqs: [Int64], by pause: Duration, reason: String) async throws(StorageError) {
        let seconds = Double(pause.components.seconds) + Double(pause.components.attoseconds) / 1e18
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(OutboxSQL.postpone, [.int64s(seqs), .double(seconds), .text(reason)])
        }
    }

    /// Never by itself again: a person decides.
    public func park(_ seq: Int64, reason: String) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(OutboxSQL.park, [.int64s([seq]), .text(reason)])
        }
    }

    /// Says that the leader lives: the server ends a session that is silent for 20 s, and its lock with it.
    public func touch() async throws(StorageError) {
        try await run { (session) throws(PostgresError) in _ = try session.execute(OutboxSQL.touch) }
    }

    /// Gives the shard back.
    public func release() async {
        isLost.withLockedValue { $0 = true }
        await connection.close()
    }

    private func run<Value: Sendable>(
        _ body: @Sendable (Session) throws(PostgresError) -> Value
    ) async throws(StorageError) -> Value {
        guard !isLost.withLockedValue({ $0 }) else { throw StorageError(.unavailable, detail: "shard \(shard) is no longer led") }
        do {
            return try await connection.run(body)
        } catch {
            // A new session would not hold the lock.
            if error.isRetriable {
                isLost.withLockedValue { $0 = true }
                await connection.close()
            }
            throw StorageError(error)
        }
    }
}
