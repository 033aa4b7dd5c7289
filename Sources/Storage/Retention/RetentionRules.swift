import Postgres

/// What becomes of one table's rows.
public struct RetentionRule: Sendable, Hashable {
    public enum Disposal: Sendable, Hashable {
        /// With the service request that they belong to, by the tenant's and the service's term: the table has `request_id` and
        /// `tenant_id`, and an index on the first. What is personal in it is emptied when the request is erased, by a trigger of its own.
        case withRequest
        /// Each row so many days after the moment in the column; a row whose moment is null stays. 30 at least.
        case rows(days: Int, by: String)
        /// A month's partition at a time, so many months after it ended; its content is emptied after so many days. 12 months at least.
        case months(Int, by: String, emptiedAfterDays: Int? = nil)
        /// While there is the tenant.
        case withTenant
        /// For good: there is nobody in it.
        case kept
    }

    /// What people find in the register sheet: see ``PersonalDataSheet``.
    public enum Subject: String, Sendable, CaseIterable {
        case requests, reporters, photos, notices, messages, audit, alerts, people, register, city, statistics, technical
    }

    public let relation: String
    public let disposal: Disposal
    public let subject: Subject

    init(_ relation: String, _ disposal: Disposal, _ subject: Subject) {
        self.relation = relation
        self.disposal = disposal
        self.subject = subject
    }

    /// Every table of the product, each in one line. A test compares this with the migrated schema, `bus311 migrate` writes it into the
    /// database (`retention_rules`), from which every run goes.
    public static let all: [RetentionRule] = [
        RetentionRule("service_requests", .withRequest, .requests),
        RetentionRule("status_updates", .withRequest, .requests),
        RetentionRule("citizen_updates", .withRequest, .requests),
        RetentionRule("moderations", .withRequest, .requests),
        RetentionRule("request_names", .withRequest, .requests),
        RetentionRule("reporters", .withRequest, .reporters),
        RetentionRule("client_references", .withRequest, .reporters),
        RetentionRule("photos", .withRequest, .photos),
        RetentionRule("notices", .withRequest, .notices),
        // So that who wants no mails gets none; a keyed hash.
        RetentionRule("notice_refusals", .withTenant, .notices),
        RetentionRule("outbox", .months(12, by: "created_at", emptiedAfterDays: 90), .messages),
        RetentionRule("status_inbox", .rows(days: 60, by: "received_at"), .messages),
        RetentionRule("refused_updates", .rows(days: 60, by: "received_at"), .messages),
        RetentionRule("refusal_counts", .rows(days: 30, by: "minute"), .technical),
        RetentionRule("replays", .rows(days: 90, by: "finished_at"), .messages),
        RetentionRule("audit", .months(13, by: "stored_at"), .audit),
        // Longer than the rows that they numbered.
        RetentionRule("audit_writers", .rows(days: 460, by: "ended_at"), .audit),
        RetentionRule("operator_actions", .rows(days: 400, by: "at"), .audit),
        RetentionRule("person_accesses", .rows(days: 400, by: "at"), .audit),
        RetentionRule("audit_seals", .kept, .register),
        RetentionRule("alerts", .rows(days: 400, by: "ended_at"), .alerts),
        RetentionRule("alert_deliveries", .rows(days: 90, by: "created_at"), .alerts),
        RetentionRule("alert_maintenance", .rows(days: 400, by: "to_at"), .alerts),
        RetentionRule("alert_mutes", .rows(days: 90, by: "until"), .alerts),
        RetentionRule("queue_consumers", .rows(days: 40, by: "seen_until"), .alerts),
        RetentionRule("queue_incidents", .rows(days: 400, by: "settled_at"), .alerts),
        RetentionRule("tenant_contacts", .withTenant, .people),
        RetentionRule("access_keys", .withTenant, .people),
        RetentionRule("access_key_uses", .withTenant, .people),
        RetentionRule("broker_credentials", .withTenant, .people),
        RetentionRule("erasures", .kept, .register),
        RetentionRule("request_holds", .rows(days: 400, by: "released_at"), .register),
        RetentionRule("retention_runs", .kept, .register),
        RetentionRule("retention_ledger", .kept, .register),
        RetentionRule("tenant_offboardings", .kept, .register),
        RetentionRule("tenant_tombstones", .kept, .register),
        RetentionRule("tenants", .withTenant, .city),
        RetentionRule("jurisdictions", .withTenant, .city),
        RetentionRule("services", .withTenant, .city),
        RetentionRule("reference_documents", .withTenant, .city),
        RetentionRule("reference_pulls", .withTenant, .city),
        RetentionRule("notice_policies", .withTenant, .city),
        RetentionRule("notice_templates", .withTenant, .city),
        RetentionRule("places", .withTenant, .city),
        RetentionRule("place_cells", .withTenant, .city),
        RetentionRule("place_collections", .withTenant, .city),
        RetentionRule("place_categories", .withTenant, .city),
        RetentionRule("place_counts", .withTenant, .city),
        RetentionRule("usage_counts", .kept, .statistics),
        RetentionRule("alert_link_keys", .kept, .technical),
        RetentionRule("usage_cursor", .kept, .technical),
        RetentionRule("broker_watch", .kept, .technical),
        RetentionRule("retention_rules", .kept, .technical),
        RetentionRule("retention_progress", .kept, .technical),
        RetentionRule("schema_migrations", .kept, .technical),
        RetentionRule("backups", .kept, .technical),
        RetentionRule("restores", .kept, .technical),
    ]

    /// So long a stored event can be sent again: then its content goes, and that there was one stays.
    public static let daysOfEvents =
        all.lazy.compactMap { rule -> Int? in
            guard rule.relation == "outbox", case .months(_, _, let days) = rule.disposal else { return nil }
            return days
        }.first ?? 0

    fileprivate var row: (disposal: String, column: String?, days: Int32?, months: Int32?) {
        switch disposal {
        case .withRequest: ("request", nil, nil, nil)
        case .rows(let days, let column): ("rows", column, Int32(days), nil)
        case .months(let months, let column, let days): ("months", column, days.map { Int32($0) }, Int32(months))
        case .withTenant: ("tenant", nil, nil, nil)
        case .kept: ("kept", nil, nil, nil)
        }
    }

    /// Makes the database's table say what this one says; the session is the owner's.
    static func write(in session: Session) throws(PostgresError) {
        guard try session.execute(RetentionRuleSQL.isThere).first?.bool(0) ?? false else { return }
        try session.transaction { (session) throws(PostgresError) in
            _ = try session.execute(RetentionRuleSQL.clear)
            for rule in all {
                let row = rule.row
                _ = try session.execute(
                    RetentionRuleSQL.add,
                    [
                        .text(rule.relation), .text(row.disposal), .text(row.column), row.days.map { .int32($0) } ?? .null,
                        row.months.map { .int32($0) } ?? .null,
                    ])
            }
        }
    }
}

/// Run by the migrations' runner, as the schema's owner.
enum RetentionRuleSQL {
    static let isThere = Statement("retention_rules_there", "select to_regclass('public.retention_rules') is not null")
    static let clear = Statement("retention_rules_clear", "delete from retention_rules")
    static let add = Statement(
        "retention_rules_add",
        """
        insert into retention_rules (relation, disposal, time_column, days, months)
        values ($1::text, $2::text, $3::text, $4::integer, $5::integer)
        """)
}
