import Open311
import Postgres

enum AlertLinkSQL {
    static let all = [look, acknowledge]

    static let look = Statement(
        "alert_link_look",
        """
        select code, tenant, tenant_name, language, time_zone, since, ended_at, acknowledged_at
        from bus311_alert_of_link($1::bigint, $2::text, $3::bigint, $4::text)
        """)
    static let acknowledge = Statement(
        "alert_link_acknowledge", "select bus311_acknowledge_by_link($1::bigint, $2::text, $3::bigint, $4::text)")
}

/// What stands in a link that acknowledges an alert.
public struct AlertLink: Sendable, Hashable {
    public let alert: Int64
    public let recipient: AlertRecipient
    /// Seconds since 1970.
    public let expires: Int64
    public let signature: String

    public init(alert: Int64, recipient: AlertRecipient, expires: Int64, signature: String) {
        self.alert = alert
        self.recipient = recipient
        self.expires = expires
        self.signature = signature
    }

    /// From `/alerts/`.
    public static let prefix = "/alerts/"

    /// - Parameter path: `/alerts/12/manager/1790000000/0f…`; nil for everything else.
    public init?(path: String) {
        guard path.hasPrefix(Self.prefix), path.utf8.count < 200 else { return nil }
        let parts = path.dropFirst(Self.prefix.count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 4, let recipient = AlertRecipient(rawValue: String(parts[1])), parts[3].utf8.count == 64,
            parts[3].utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }),
            [parts[0], parts[2]].allSatisfy({ (1...18).contains($0.utf8.count) && $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let alert = Int64(parts[0]), let expires = Int64(parts[2])
        else { return nil }
        self.init(alert: alert, recipient: recipient, expires: expires, signature: String(parts[3]))
    }

    public var path: String { "\(Self.prefix)\(alert)/\(recipient.rawValue)/\(expires)/\(signature)" }
}

/// What the page of a link shows.
public struct LinkedAlert: Sendable {
    public let code: AlertCode
    /// Nil for the installation.
    public let tenantKey: TenantKey?
    /// Its name for people; nil for the installation.
    public let tenant: String?
    public let language: Language
    public let timeZone: String
    public let since: Timestamp
    public let endedAt: Timestamp?
    public let acknowledgedAt: Timestamp?
}

/// Alerts as far as a link shows them: to whoever has it, and nothing else.
public final class AlertLinkStore: Sendable {
    private let connection: PostgresConnection

    /// - Parameter configuration: of the gateway role.
    public init(configuration: PostgresConfiguration) throws { connection = try PostgresConnection(configuration: configuration) }

    public func close() async { await connection.close() }

    /// - Returns: nil for a link that is not ours, or too old.
    public func alert(of link: AlertLink) async throws(StorageError) -> LinkedAlert? {
        try await run { (session) throws(PostgresError) in
            guard let row = try session.execute(AlertLinkSQL.look, Self.parameters(link)).first,
                let code = AlertCode(rawValue: try row.text(0))
            else { return nil }
            func moment(_ column: Int) -> Timestamp? { row.optionalTimestamp(column).map { Timestamp(microseconds: $0) } }
            return LinkedAlert(
                code: code, tenantKey: row.optionalText(1).flatMap { try? TenantKey(validating: $0) }, tenant: row.optionalText(2),
                language: row.optionalText(3).flatMap { Language(parsing: $0) } ?? .french,
                timeZone: row.optionalText(4) ?? "Europe/Paris", since: Timestamp(microseconds: try row.timestamp(5)), endedAt: moment(6),
                acknowledgedAt: moment(7))
        }
    }

    /// - Returns: false for a link that is not ours, or too old.
    public func acknowledge(_ link: AlertLink) async throws(StorageError) -> Bool {
        try await run { (session) throws(PostgresError) in
            try session.execute(AlertLinkSQL.acknowledge, Self.parameters(link)).first?.bool(0) ?? false
        }
    }

    private static func parameters(_ link: AlertLink) -> [Parameter] {
        [.int64(link.alert), .text(link.recipient.rawValue), .int64(link.expires), .text(link.signature)]
    }

    private func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await connection.run(body) }
    }
}
