import Open311
import Postgres

/// What is known of an AMQP user beside what the broker says.
public struct CredentialRecord: Sendable, Equatable {
    /// `a` or `b`.
    public let slot: String
    /// Nil when an older version issued it.
    public let issuedAt: Timestamp?
    /// Nil when it was never seen connected.
    public let lastSeenAt: Timestamp?
}

extension AdministrationStore {
    /// A slot was given a new password: when it was seen before counts no more.
    public func credentialIssued(_ slot: String, of tenant: TenantID) async throws(StorageError) {
        try await change(CredentialSQL.issued, [.int32(tenant.rawValue), .text(slot)])
    }

    public func credentialRevoked(_ slot: String, of tenant: TenantID) async throws(StorageError) {
        try await change(CredentialSQL.forgotten, [.int32(tenant.rawValue), .text(slot)])
    }

    /// These users are connected now.
    public func credentialsSeen(_ seen: [(tenant: TenantKey, slot: String)]) async throws(StorageError) {
        guard !seen.isEmpty else { return }
        try await change(CredentialSQL.seen, [.texts(seen.map(\.tenant.rawValue)), .texts(seen.map(\.slot))])
    }

    public func credentials(of tenant: TenantID) async throws(StorageError) -> [CredentialRecord] {
        try await run { (session) throws(PostgresError) in
            try session.execute(CredentialSQL.list, [.int32(tenant.rawValue)]).map { (row) throws(PostgresError) in
                CredentialRecord(
                    slot: try row.text(0), issuedAt: row.optionalTimestamp(1).map { Timestamp(microseconds: $0) },
                    lastSeenAt: row.optionalTimestamp(2).map { Timestamp(microseconds: $0) })
            }
        }
    }

    /// Since when the broker's connections are looked at without a gap; nil when nobody does.
    public func credentialsWatchedSince() async throws(StorageError) -> Timestamp? {
        try await run { (session) throws(PostgresError) in
            try session.execute(CredentialSQL.watch).first?.optionalTimestamp(0).map { Timestamp(microseconds: $0) }
        }
    }

    private func change(_ statement: Statement, _ parameters: [Parameter]) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in _ = try session.execute(statement, parameters) }
    }
}

/// The watch service's side: writes down who is connected.
public final class CredentialSightings: Sendable {
    private let connection: PostgresConnection

    /// - Parameter configuration: of the role `bus311_watch`.
    public init(configuration: PostgresConfiguration) throws { connection = try PostgresConnection(configuration: configuration) }

    /// One look at the broker, whoever was there.
    public func record(_ seen: [(tenant: TenantKey, slot: String)]) async throws(StorageError) {
        let names: [Parameter] = [.texts(seen.map(\.tenant.rawValue)), .texts(seen.map(\.slot))]
        try await storing { () async throws(PostgresError) in
            try await connection.run { (session) throws(PostgresError) in
                _ = try session.pipeline([(CredentialSQL.seen, names), (CredentialSQL.watched, [])])
            }
        }
    }

    public func close() async { await connection.close() }
}
