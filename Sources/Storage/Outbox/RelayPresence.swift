import Postgres

/// One relay among others: counted while its session lives, by a lock that no two sessions contend for.
public final class RelayPresence: Sendable {
    /// What a look at the others shows.
    public struct Sight: Sendable, Equatable {
        /// Relays that live, this one included; at least one.
        public let relays: Int
        /// Shards that somebody leads.
        public let led: Set<Int16>

        public init(relays: Int, led: Set<Int16>) {
            self.relays = relays
            self.led = led
        }
    }

    private let connection: PostgresConnection

    /// - Parameter configuration: of the relay's role; a direct session, for locks do not survive a transaction pooler.
    public init(configuration: PostgresConfiguration) throws {
        // A frozen process is not counted for longer than this.
        connection = try PostgresConnection(configuration: configuration.endingWhenFrozen)
    }

    /// Says that this relay lives, and sees who else does. To be asked every second or so.
    public func look() async throws(StorageError) -> Sight {
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                _ = try session.execute(OutboxSQL.appear)
                let locks = try session.execute(OutboxSQL.locks).map { (row) throws(PostgresError) in
                    (isRelay: try row.bool(0), shard: Int16(truncatingIfNeeded: try row.int64(1)))
                }
                let relays = locks.count { $0.isRelay }
                return Sight(relays: max(1, relays), led: Set(locks.lazy.filter { !$0.isRelay }.map(\.shard)))
            }
        }
    }

    public func close() async { await connection.close() }
}

extension PostgresConfiguration {
    /// A session that the server ends when it hears nothing for 20 s: what a process holds that was frozen, or whose machine is
    /// gone, becomes free. Whoever opens one must ask something more often than that.
    var endingWhenFrozen: PostgresConfiguration {
        setting("idle_session_timeout", to: "20000").setting("tcp_keepalives_idle", to: "10").setting("tcp_keepalives_interval", to: "3")
            .setting("tcp_keepalives_count", to: "3")
    }
}
