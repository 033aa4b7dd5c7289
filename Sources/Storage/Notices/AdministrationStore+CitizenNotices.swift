import Foundation
import Open311
import Postgres

enum CitizenNoticeSQL {
    static let all = [policy, setPolicy, removePolicy, templates, setTemplate, removeTemplate, keepTemplates, list, retry, retryAll, state]

    static let policy = Statement(
        "citizen_notice_policy", "select kinds, from_name, reply_to from notice_policies where tenant_id = $1::integer")

    static let setPolicy = Statement(
        "citizen_notice_set_policy",
        """
        insert into notice_policies (tenant_id, kinds, from_name, reply_to) values ($1::integer, $2::text[], $3::text, $4::text)
        on conflict (tenant_id) do update set kinds = excluded.kinds, from_name = excluded.from_name, reply_to = excluded.reply_to
        """)

    static let removePolicy = Statement("citizen_notice_remove_policy", "delete from notice_policies where tenant_id = $1::integer")

    static let templates = Statement(
        "citizen_notice_templates",
        "select kind, language, subject, body, changed_at from notice_templates where tenant_id = $1::integer order by kind, language")

    static let setTemplate = Statement(
        "citizen_notice_set_template",
        """
        insert into notice_templates (tenant_id, kind, language, subject, body)
        values ($1::integer, $2::text, $3::text, $4::text, $5::text)
        on conflict (tenant_id, kind, language) do update
        set subject = excluded.subject, body = excluded.body, changed_at = now()
        where (notice_templates.subject, notice_templates.body) is distinct from (excluded.subject, excluded.body)
        """)

    /// Removes all but these.
    static let keepTemplates = Statement(
        "citizen_notice_keep_templates",
        """
        delete from notice_templates
        where tenant_id = $1::integer and (kind, language) not in (select kind, language from unnest($2::text[], $3::text[]) as kept (kind, language))
        """)

    static func parameters(of policy: NoticePolicy, _ tenant: TenantID) -> [Parameter] {
        [
            .int32(tenant.rawValue), .texts(NoticeKind.chosen.filter(policy.kinds.contains).map(\.rawValue)), .text(policy.fromName),
            .text(policy.replyTo?.rawValue),
        ]
    }

    static let removeTemplate = Statement(
        "citizen_notice_remove_template",
        "delete from notice_templates where tenant_id = $1::integer and kind = $2::text and language = $3::text")

    static let list = Statement(
        "citizen_notice_list",
        """
        select n.id, t.key, n.request_id, n.kind, n.state, n.reason, n.attempts, n.created_at, n.next_attempt_at, n.settled_at
        from notices n left join tenants t on t.id = n.tenant_id
        where ($1::integer is null or n.tenant_id = $1::integer) and ($2::text is null or n.state = $2::text)
          and ($3::bigint is null or n.request_id = $3::bigint)
        order by n.id desc limit $4::integer
        """)

    static let retry = Statement(
        "citizen_notice_retry",
        """
        update notices set state = 'waiting', reason = null, attempts = 0, doubts = 0, next_attempt_at = now(), settled_at = null
        where id = $1::bigint and state in ('waiting', 'failed', 'expired', 'doubtful')
        """)

    static let retryAll = Statement(
        "citizen_notice_retry_all",
        """
        update notices set state = 'waiting', reason = null, attempts = 0, doubts = 0, next_attempt_at = now(), settled_at = null
        where tenant_id = $1::integer and state = $2::text and state in ('waiting', 'failed', 'expired', 'doubtful')
        """)

    static let state = Statement("citizen_notice_state", "select state, reason from notices where id = $1::bigint")
}

/// A notice as operators see it: no address, no words.
public struct ListedNotice: Sendable {
    public let id: Int64
    /// Nil for a tenant that is gone.
    public let tenant: String?
    public let request: ServiceRequestID
    public let kind: String
    public let state: String
    public let reason: String?
    public let attempts: Int32
    public let createdAt: Timestamp
    /// Only while it waits.
    public let nextAttemptAt: Timestamp
    public let settledAt: Timestamp?
}

/// A tenant's own words.
public struct StoredNoticeTemplate: Sendable {
    public let kind: NoticeKind
    public let language: Language
    public let template: NoticeTemplate
    public let changedAt: Timestamp
}

extension AdministrationStore {
    /// Nil when nobody is written to.
    public func noticePolicy(of tenant: TenantID) async throws(StorageError) -> NoticePolicy? {
        try await run { (session) throws(PostgresError) in
            guard let row = try session.execute(CitizenNoticeSQL.policy, [.int32(tenant.rawValue)]).first else { return nil }
            return try? NoticePolicy(
                kinds: Set(try row.texts(0).compactMap { NoticeKind(rawValue: $0) }), fromName: row.optionalText(1),
                replyTo: row.optionalText(2).flatMap { try? EmailAddress(validating: $0) })
        }
    }

    /// From the next event on; nil writes to nobody any more.
    public func setNoticePolicy(_ policy: NoticePolicy?, of tenant: TenantID) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            guard let policy else {
                _ = try session.execute(CitizenNoticeSQL.removePolicy, [.int32(tenant.rawValue)])
                return
            }
            _ = try session.execute(CitizenNoticeSQL.setPolicy, CitizenNoticeSQL.parameters(of: policy, tenant))
        }
    }

    public func noticeTemplates(of tenant: TenantID) async throws(StorageError) -> [StoredNoticeTemplate] {
        try await run { (session) throws(PostgresError) in
            try session.execute(CitizenNoticeSQL.templates, [.int32(tenant.rawValue)]).map { (row) throws(PostgresError) in
                guard let kind = NoticeKind(rawValue: try row.text(0)), let language = Language(parsing: try row.text(1)),
                    let template = try? NoticeTemplate(subject: try row.text(2), body: try row.text(3))
                else { return StoredNoticeTemplate?.none }
                return StoredNoticeTemplate(
                    kind: kind, language: language, template: template, changedAt: Timestamp(microseconds: try row.timestamp(4)))
            }.compactMap { $0 }
        }
    }

    public func setNoticeTemplate(
        _ template: NoticeTemplate, _ kind: NoticeKind, _ language: Language, of tenant: TenantID
    ) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(
                CitizenNoticeSQL.setTemplate,
                [
                    .int32(tenant.rawValue), .text(kind.rawValue), .text(language.rawValue), .text(template.subject), .text(template.body),
                ])
        }
    }

    /// - Returns: whether there was one.
    public func removeNoticeTemplate(_ kind: NoticeKind, _ language: Language, of tenant: TenantID) async throws(StorageError) -> Bool {
        try await run { (session) throws(PostgresError) in
            try session.execute(
                CitizenNoticeSQL.removeTemplate, [.int32(tenant.rawValue), .text(kind.rawValue), .text(language.rawValue)]
            ).affected > 0
        }
    }

    /// The newest first; each condition that is nil lets all through.
    public func notices(
        of tenant: TenantID?, state: String?, request: ServiceRequestID?, limit: Int32
    ) async throws(StorageError) -> [ListedNotice] {
        try await run { (session) throws(PostgresError) in
            try session.execute(
                CitizenNoticeSQL.list,
                [tenant.map { .int32($0.rawValue) } ?? .null, .text(state), .int64(request?.rawValue), .int32(limit)]
            ).map { (row) throws(PostgresError) in
                ListedNotice(
                    id: try row.int64(0), tenant: row.optionalText(1), request: ServiceRequestID(stored: try row.int64(2)),
                    kind: try row.text(3), state: try row.text(4), reason: row.optionalText(5), attempts: try row.int32(6),
                    createdAt: Timestamp(microseconds: try row.timestamp(7)),
                    nextAttemptAt: Timestamp(microseconds: try row.timestamp(8)),
                    settledAt: row.optionalTimestamp(9).map { Timestamp(microseconds: $0) })
            }
        }
    }

    /// What an attempt to have a notice sent again came to.
    public enum NoticeRetry: Sendable, Equatable {
        case waits
        /// What is sent, in somebody's hands or dropped stays so: its state, and the reason.
        case refused(state: String, reason: String?)
        case unknown
    }

    /// Has a notice that is waiting, failed, expired or doubtful sent at once, with all its attempts before it.
    public func retryNotice(_ id: Int64) async throws(StorageError) -> NoticeRetry {
        try await run { (session) throws(PostgresError) in
            if try session.execute(CitizenNoticeSQL.retry, [.int64(id)]).affected > 0 { return .waits }
            guard let row = try session.execute(CitizenNoticeSQL.state, [.int64(id)]).first else { return .unknown }
            return .refused(state: try row.text(0), reason: row.optionalText(1))
        }
    }

    /// The same for all of a tenant's in one state.
    ///
    /// - Returns: how many.
    public func retryNotices(of tenant: TenantID, state: String) async throws(StorageError) -> Int {
        try await run { (session) throws(PostgresError) in
            try session.execute(CitizenNoticeSQL.retryAll, [.int32(tenant.rawValue), .text(state)]).affected
        }
    }
}
