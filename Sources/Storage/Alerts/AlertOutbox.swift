import Open311
import Postgres

/// Texts that wait to be sent. Several processes may take from it: each text is one's at a time.
public final class AlertOutbox: Sendable {
    private let connection: PostgresConnection

    /// - Parameter configuration: of the watch role.
    public init(configuration: PostgresConfiguration) throws { connection = try PostgresConnection(configuration: configuration) }

    public func close() async { await connection.close() }

    /// What is due; it comes again after two minutes if nothing is said of it.
    public func take(_ limit: Int32) async throws(StorageError) -> [AlertDelivery] {
        try await run { (session) throws(PostgresError) in
            try session.execute(AlertSQL.take, [.int32(limit)]).map { (row) throws(PostgresError) in
                guard let channel = NewAlertDelivery.Channel(rawValue: try row.text(3)),
                    let recipient = AlertRecipient(rawValue: try row.text(4))
                else { throw PostgresError(.decoding, detail: "a stored delivery has an unknown channel or recipient") }
                let what = NewAlertDelivery(
                    channel: channel, recipient: recipient, kind: AlertNotice.Kind(rawValue: try row.text(5)) ?? .fired,
                    subject: try row.text(6), body: try row.text(7), payload: row.isNull(8) ? nil : try row.json(8))
                return AlertDelivery(
                    number: try row.int64(0), alert: row.optionalInt64(1), tenant: AlertStore.tenant(try row.int32(2)), what: what,
                    attempts: Int(try row.int32(9)),
                    createdAt: Timestamp(microseconds: try row.timestamp(10)),
                    address: recipient == .operator ? nil : row.optionalText(11).flatMap { try? EmailAddress(validating: $0) })
            }
        }
    }

    public func sent(_ delivery: AlertDelivery) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in _ = try session.execute(AlertSQL.sent, [.int64(delivery.number)]) }
    }

    /// - Parameters:
    ///   - pause: until the next attempt; nil for never.
    ///   - reason: a short code of ours, never an address.
    public func failed(_ delivery: AlertDelivery, after pause: Duration?, reason: String) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            if let pause {
                _ = try session.execute(
                    AlertSQL.failed, [.int64(delivery.number), .double(Double(pause.components.seconds)), .text(reason)])
            } else {
                _ = try session.execute(AlertSQL.giveUp, [.int64(delivery.number), .text(reason)])
            }
        }
    }

    private func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await connection.run(body) }
    }
}
