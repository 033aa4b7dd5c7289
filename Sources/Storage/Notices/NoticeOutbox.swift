import Foundation
import Open311
import Postgres

/// A notice in the mailer's hands, with all that it is made of.
public struct WaitingNotice: Sendable {
    public let id: Int64
    public let tenant: TenantID
    public let request: ServiceRequestID
    public let kind: NoticeKind
    public let note: String?
    public let createdAt: Timestamp
    /// This one counted.
    public let attempts: Int32
    public let doubts: Int32
    /// Nil when the person was erased, or the tenant is gone.
    public let content: Content?

    public struct Content: Sendable {
        public let email: String
        /// Nil while the citizen has a token only.
        public let number: String?
        public let serviceName: String
        public let requestedAt: Timestamp
        public let language: Language
        public let tenantKey: TenantKey
        public let tenantName: String
        public let tenantLanguage: Language
        public let timeZone: String
        public let fromName: String?
        public let replyTo: EmailAddress?
        /// The tenant's own, of this kind.
        public let templates: [Language: NoticeTemplate]
        /// The number of what it is a duplicate of, where citizens may see that.
        public let parent: String?
        /// Whether there will be a notice when that is done.
        public let tellsDone: Bool

        public init(
            email: String, number: String?, serviceName: String, requestedAt: Timestamp, language: Language, tenantKey: TenantKey,
            tenantName: String, tenantLanguage: Language, timeZone: String, fromName: String?, replyTo: EmailAddress?,
            templates: [Language: NoticeTemplate], parent: String? = nil, tellsDone: Bool = false
        ) {
            self.email = email
            self.number = number
            self.serviceName = serviceName
            self.requestedAt = requestedAt
            self.language = language
            self.tenantKey = tenantKey
            self.tenantName = tenantName
            self.tenantLanguage = tenantLanguage
            self.timeZone = timeZone
            self.fromName = fromName
            self.replyTo = replyTo
            self.templates = templates
            self.parent = parent
            self.tellsDone = tellsDone
        }
    }
}

/// What becomes of a notice for good.
public enum NoticeEnd: String, Sendable {
    case sent, failed, expired, doubtful, dropped
}

/// The mailer's side of the notices: takes what is due, one mailer at a time for each, and settles it.
public final class NoticeOutbox: Sendable {
    private let connection: PostgresConnection

    /// - Parameter configuration: of the role `bus311_mailer`.
    public init(configuration: PostgresConfiguration) throws { connection = try PostgresConnection(configuration: configuration) }

    public func close() async { await connection.close() }

    private func run<Value: Sendable>(
        _ body: @Sendable (Session) throws(PostgresError) -> Value
    ) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await connection.run(body) }
    }

    /// Takes the oldest notice that is due, and keeps it from other mailers for `lease`. One that was in somebody's hands for longer comes
    /// with one doubt more.
    public func take(lease: Duration) async throws(StorageError) -> WaitingNotice? {
        try await run { (session) throws(PostgresError) in
            try session.execute(NoticeOutboxSQL.take, [.int32(Int32(clamping: lease.milliseconds))]).first.map(Self.notice)
        }
    }

    private static func notice(_ row: Row) throws(PostgresError) -> WaitingNotice {
        guard let kind = NoticeKind(rawValue: try row.text(3)) else { throw PostgresError(.decoding, detail: "an unknown kind of notice") }
        var content: WaitingNotice.Content?
        if let email = row.optionalText(8), let service = row.optionalText(10),
            let key = try? TenantKey(validating: row.optionalText(13) ?? "")
        {
            let tenantLanguage = row.optionalText(15).flatMap { Language(parsing: $0) } ?? .english
            content = WaitingNotice.Content(
                email: email, number: row.optionalText(9), serviceName: service,
                requestedAt: Timestamp(microseconds: try row.timestamp(11)),
                language: Language(parsing: try row.text(12)) ?? tenantLanguage, tenantKey: key, tenantName: try row.text(14),
                tenantLanguage: tenantLanguage, timeZone: try row.text(16), fromName: row.optionalText(17),
                replyTo: row.optionalText(18).flatMap { try? EmailAddress(validating: $0) },
                templates: row.isNull(19) ? [:] : templates(try row.json(19)), parent: row.optionalText(20), tellsDone: try row.bool(21))
        }
        return WaitingNotice(
            id: try row.int64(0), tenant: TenantID(try row.int32(1)), request: ServiceRequestID(stored: try row.int64(2)), kind: kind,
            note: row.optionalText(4), createdAt: Timestamp(microseconds: try row.timestamp(5)), attempts: try row.int32(6),
            doubts: try row.int32(7), content: content)
    }

    /// What cannot be read counts as absent: ours is taken in its place.
    private static func templates(_ bytes: [UInt8]) -> [Language: NoticeTemplate] {
        let stored = (try? JSONDecoder().decode([String: [String]].self, from: Data(bytes))) ?? [:]
        var templates: [Language: NoticeTemplate] = [:]
        for (tag, words) in stored where words.count == 2 {
            guard let language = Language(parsing: tag) else { continue }
            templates[language] = try? NoticeTemplate(subject: words[0], body: words[1])
        }
        return templates
    }

    /// - Parameter address: its keyed hashes, the one of today's key first (``LinkSecret/hashes(address:)``). A refusal under an older
    ///   key is written down under today's.
    /// - Returns: whether it wants none of this tenant's notices, and how many it was sent within a day by all.
    public func standing(of address: [[UInt8]], tenant: TenantID) async throws(StorageError) -> (isRefused: Bool, sentToday: Int64) {
        try await run { (session) throws(PostgresError) in
            let own: [Parameter] = [.int32(tenant.rawValue), .byteStrings(address)]
            guard let row = try session.execute(NoticeOutboxSQL.standing, own).first else { return (false, 0) }
            let isRefused = try row.bool(0)
            if isRefused, address.count > 1 { _ = try session.execute(NoticeOutboxSQL.renew, own) }
            return (isRefused, try row.int64(1))
        }
    }

    /// - Returns: false when it was erased meanwhile.
    public func settle(_ notice: Int64, _ end: NoticeEnd, because reason: String?, address: [UInt8]?) async throws(StorageError) -> Bool {
        try await run { (session) throws(PostgresError) in
            try session.execute(
                NoticeOutboxSQL.settle, [.int64(notice), .text(end.rawValue), .text(reason), address.map { .bytes($0) } ?? .null]
            ).affected > 0
        }
    }

    /// Another attempt after `pause`.
    public func putBack(_ notice: Int64, because reason: String, doubts: Int32, after pause: Duration) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(
                NoticeOutboxSQL.putBack, [.int64(notice), .text(reason), .int32(doubts), .int64(pause.milliseconds)])
        }
    }

    /// As if it had not been taken.
    public func giveBack(_ notice: Int64, because reason: String) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(NoticeOutboxSQL.giveBack, [.int64(notice), .text(reason)])
        }
    }

    /// How many wait, and since when the oldest does.
    public func backlog() async throws(StorageError) -> (waiting: Int64, oldest: Timestamp?) {
        try await run { (session) throws(PostgresError) in
            guard let row = try session.execute(NoticeOutboxSQL.backlog).first else { return (0, nil) }
            return (try row.int64(0), row.optionalTimestamp(1).map { Timestamp(microseconds: $0) })
        }
    }

    /// Removes settled notices that are older, a thousand at a time.
    ///
    /// - Returns: how many.
    public func forget(olderThanDays days: Int32) async throws(StorageError) -> Int {
        try await run { (session) throws(PostgresError) in try session.execute(NoticeOutboxSQL.forget, [.int32(days)]).affected }
    }
}

extension Duration {
    fileprivate var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}
