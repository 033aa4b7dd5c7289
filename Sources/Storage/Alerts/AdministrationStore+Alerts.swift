import Open311
import Postgres

enum AlertAdministrationSQL {
    static let all = [list, acknowledge, mute, unmute, muteList, addMaintenance, maintenanceList, endMaintenance, deliveries]

    static let list = Statement(
        "alerts_list",
        """
        select a.number, a.code, a.tenant_id, t.key, a.phase, a.severity, a.since, a.fired_at, coalesce(a.clear_since, a.ended_at), a.ended_at,
               a.facts, a.is_unstable, a.silence, a.acknowledged_at, a.acknowledged_by, a.administrator_told + a.manager_told
        from alerts a left join tenants t on t.id = a.tenant_id
        where ($1::boolean or a.ended_at is null) and ($2::integer is null or a.tenant_id = $2::integer)
        order by a.ended_at is not null, a.since desc limit 1000
        """)

    static let acknowledge = Statement(
        "alerts_acknowledge",
        """
        update alerts set acknowledged_at = coalesce(acknowledged_at, now()), acknowledged_by = coalesce(acknowledged_by, $2::text)
        where number = $1::bigint and ended_at is null returning tenant_id, code
        """)

    static let mute = Statement(
        "alerts_mute",
        """
        insert into alert_mutes (code, tenant_id, until, reason, made_by) values ($1::text, $2::integer, $3::timestamptz, $4::text, $5::text)
        on conflict (code, tenant_id) do update set until = excluded.until, reason = excluded.reason, made_by = excluded.made_by
        """)
    static let unmute = Statement(
        "alerts_unmute", "delete from alert_mutes where code = $1::text and tenant_id = $2::integer returning code")
    static let muteList = Statement(
        "alerts_mute_list",
        """
        select m.code, m.tenant_id, t.key, m.until, m.reason, m.made_by from alert_mutes m left join tenants t on t.id = m.tenant_id
        where m.until > now() order by m.until
        """)

    static let addMaintenance = Statement(
        "alerts_maintenance_add",
        """
        insert into alert_maintenance (tenant_id, from_at, to_at, reason, made_by)
        values ($1::integer, $2::timestamptz, $3::timestamptz, $4::text, $5::text) returning number
        """)
    static let maintenanceList = Statement(
        "alerts_maintenance_list",
        """
        select m.number, m.tenant_id, t.key, m.from_at, m.to_at, m.reason, m.made_by from alert_maintenance m
        left join tenants t on t.id = m.tenant_id where m.to_at > now() order by m.from_at limit 1000
        """)
    /// One that has begun ends now, one that has not is gone.
    static let endMaintenance = Statement(
        "alerts_maintenance_end",
        """
        with over as (delete from alert_maintenance where number = $1::bigint and from_at > now() returning tenant_id),
        cut as (update alert_maintenance set to_at = now() where number = $1::bigint and from_at < now() and to_at > now() returning tenant_id)
        select tenant_id from over union all select tenant_id from cut
        """)

    static let deliveries = Statement(
        "alerts_deliveries",
        """
        select number, channel, recipient, kind, created_at, attempts, sent_at, given_up_at, last_error, coalesce(alert_number, 0)
        from alert_deliveries where $1::bigint is null or alert_number = $1::bigint order by number desc limit 200
        """)
}

/// An alert as operators see it.
public struct AlertRecord: Sendable {
    public let number: Int64
    public let code: String
    /// Nil for the installation.
    public let tenant: String?
    public let phase: String
    public let severity: String
    public let since: Timestamp
    public let firedAt: Timestamp?
    public let clearAt: Timestamp?
    public let endedAt: Timestamp?
    public let facts: [String: Int64]
    public let names: [String]
    public let isUnstable: Bool
    public let silence: String?
    public let acknowledgedAt: Timestamp?
    public let acknowledgedBy: String?
    /// How often anybody was told.
    public let notices: Int
}

/// A time in which nothing new is told.
public struct AlertPause: Sendable {
    /// Of a maintenance window.
    public let number: Int64?
    /// Of a muted alert.
    public let code: String?
    /// Nil for the installation.
    public let tenant: String?
    public let from: Timestamp?
    public let to: Timestamp
    public let reason: String
    public let by: String
}

/// A text on its way, as operators see it: without the text, and without an address.
public struct AlertDeliveryRecord: Sendable {
    public let number: Int64
    public let alert: Int64?
    public let channel: String
    public let recipient: String
    public let kind: String
    public let createdAt: Timestamp
    public let attempts: Int
    public let sentAt: Timestamp?
    public let givenUpAt: Timestamp?
    public let lastError: String?
}

extension AdministrationStore {
    /// What is wrong, the newest first; at most a thousand.
    ///
    /// - Parameters:
    ///   - all: what is over too.
    ///   - tenant: nil for everything.
    public func alerts(all: Bool, tenant: TenantID?) async throws(StorageError) -> [AlertRecord] {
        try await run { (session) throws(PostgresError) in
            let parameters: [Parameter] = [.bool(all), tenant.map { .int32($0.rawValue) } ?? .null]
            return try session.execute(AlertAdministrationSQL.list, parameters).map { (row) throws(PostgresError) in
                func moment(_ column: Int) -> Timestamp? { row.optionalTimestamp(column).map { Timestamp(microseconds: $0) } }
                var shown = AlertEpisode(AlertKey(.disk), since: .now, severity: .warning)
                AlertFactsJSON.read(try row.json(10), into: &shown)
                let isOver = moment(9) != nil
                return AlertRecord(
                    number: try row.int64(0), code: try row.text(1), tenant: row.optionalText(3), phase: try row.text(4),
                    severity: AlertSeverity(rawValue: try row.int16(5))?.name ?? "warning",
                    since: Timestamp(microseconds: try row.timestamp(6)),
                    firedAt: moment(7), clearAt: moment(8), endedAt: moment(9),
                    facts: AlertFactsJSON.plain(isOver ? shown.peaks : shown.facts), names: shown.names, isUnstable: try row.bool(11),
                    silence: row.optionalText(12), acknowledgedAt: moment(13), acknowledgedBy: row.optionalText(14),
                    notices: Int(try row.int32(15)))
            }
        }
    }

    /// A person takes care of it: no more reminders.
    ///
    /// - Returns: whose it is; nil when no such alert is open.
    public func acknowledgeAlert(_ number: Int64, by who: String) async throws(StorageError) -> AlertKey? {
        try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                guard let row = try session.execute(AlertAdministrationSQL.acknowledge, [.int64(number), .text(who)]).first else {
                    return nil
                }
                let tenant = AlertStore.tenant(try row.int32(0))
                try Self.act(who, "alert acknowledged", tenant, "alert \(number) \(try row.text(1))", session)
                return AlertCode(rawValue: try row.text(1)).map { AlertKey($0, tenant) }
            }
        }
    }

    /// - Parameters:
    ///   - tenant: nil for the installation's own alert of the code.
    ///   - until: nil ends it.
    /// - Returns: false when it was not muted, and was to be told again.
    @discardableResult
    public func mute(_ code: AlertCode, _ tenant: TenantID?, until: Timestamp?, because reason: String, by who: String)
        async throws(StorageError) -> Bool
    {
        try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                let key: [Parameter] = [.text(code.rawValue), .int32(tenant?.rawValue ?? 0)]
                if let until {
                    _ = try session.execute(AlertAdministrationSQL.mute, key + [.timestamp(until.microseconds), .text(reason), .text(who)])
                } else {
                    guard try session.execute(AlertAdministrationSQL.unmute, key).first != nil else { return false }
                }
                let detail = code.rawValue + (until.map { " until \($0.iso8601): \(reason)" } ?? "")
                try Self.act(who, until == nil ? "alert unmuted" : "alert muted", tenant, detail, session)
                return true
            }
        }
    }

    /// - Returns: its number.
    public func addMaintenance(
        of tenant: TenantID?, from: Timestamp, to: Timestamp, because reason: String, by who: String
    ) async throws(StorageError) -> Int64 {
        try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                let row = try session.execute(
                    AlertAdministrationSQL.addMaintenance,
                    [
                        .int32(tenant?.rawValue ?? 0), .timestamp(from.microseconds), .timestamp(to.microseconds), .text(reason),
                        .text(who),
                    ]
                ).first
                guard let number = try row?.int64(0) else { throw PostgresError(.decoding, detail: "no number came back") }
                try Self.act(who, "maintenance announced", tenant, "window \(number), \(from.iso8601) to \(to.iso8601): \(reason)", session)
                return number
            }
        }
    }

    /// - Returns: nil when there is none that has not ended.
    public func endMaintenance(_ number: Int64, by who: String) async throws(StorageError) -> EndedMaintenance? {
        try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                guard let row = try session.execute(AlertAdministrationSQL.endMaintenance, [.int64(number)]).first else { return nil }
                let ended = EndedMaintenance(tenant: AlertStore.tenant(try row.int32(0)))
                try Self.act(who, "maintenance ended", ended.tenant, "window \(number)", session)
                return ended
            }
        }
    }

    /// Windows that have not ended, and muted alerts.
    public func alertPauses() async throws(StorageError) -> [AlertPause] {
        try await run { (session) throws(PostgresError) in
            let answers = try session.pipeline([(AlertAdministrationSQL.maintenanceList, []), (AlertAdministrationSQL.muteList, [])])
            let windows = try answers[0].map { (row) throws(PostgresError) in
                AlertPause(
                    number: try row.int64(0), code: nil, tenant: row.optionalText(2), from: Timestamp(microseconds: try row.timestamp(3)),
                    to: Timestamp(microseconds: try row.timestamp(4)), reason: try row.text(5), by: try row.text(6))
            }
            return windows
                + (try answers[1].map { (row) throws(PostgresError) in
                    AlertPause(
                        number: nil, code: try row.text(0), tenant: row.optionalText(2), from: nil,
                        to: Timestamp(microseconds: try row.timestamp(3)), reason: try row.text(4), by: try row.text(5))
                })
        }
    }

    /// - Parameter alert: nil for the newest of all.
    public func alertDeliveries(of alert: Int64?) async throws(StorageError) -> [AlertDeliveryRecord] {
        try await run { (session) throws(PostgresError) in
            try session.execute(AlertAdministrationSQL.deliveries, [.int64(alert)]).map { (row) throws(PostgresError) in
                func moment(_ column: Int) -> Timestamp? { row.optionalTimestamp(column).map { Timestamp(microseconds: $0) } }
                let alert = try row.int64(9)
                return AlertDeliveryRecord(
                    number: try row.int64(0), alert: alert == 0 ? nil : alert, channel: try row.text(1), recipient: try row.text(2),
                    kind: try row.text(3), createdAt: Timestamp(microseconds: try row.timestamp(4)), attempts: Int(try row.int32(5)),
                    sentAt: moment(6), givenUpAt: moment(7), lastError: row.optionalText(8))
            }
        }
    }

    /// Texts that belong to no alert, to see whether they arrive.
    ///
    /// - Returns: their numbers.
    public func sendTest(_ deliveries: [NewAlertDelivery], of tenant: TenantID?) async throws(StorageError) -> [Int64] {
        try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                var numbers: [Int64] = []
                for delivery in deliveries { numbers.append(try AlertStore.put(delivery, alert: nil, tenant: tenant, session)) }
                return numbers
            }
        }
    }

    private static func act(
        _ who: String, _ what: String, _ tenant: TenantID?, _ detail: String, _ session: Session
    ) throws(PostgresError) {
        _ = try session.execute(
            ReplaySQL.act, [.text(who), .text(what), tenant.map { .int32($0.rawValue) } ?? .null, .text(String(detail.prefix(500)))])
    }
}
