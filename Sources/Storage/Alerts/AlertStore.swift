import Open311
import Postgres

/// What the evaluation of alerts reads and remembers. Everything runs on the session that holds the right to evaluate: when that is
/// lost, nothing more is written.
public final class AlertStore: Sendable {
    private let connection: PostgresConnection

    /// - Parameter configuration: of the watch role; a direct session, for locks do not survive a transaction pooler.
    public init(configuration: PostgresConfiguration) throws {
        connection = try PostgresConnection(configuration: configuration.endingWhenFrozen)
    }

    public func close() async { await connection.close() }

    /// Does what needs a tenant's dead letters in hand, while no command has them (``ReplayStore/takeDeadLetters(of:)``).
    ///
    /// - Returns: nil when somebody else has them.
    public func alone<Value>(withDeadLettersOf tenant: TenantID, _ work: () async throws -> Value) async throws -> Value? {
        let own: [Parameter] = [.int32(tenant.rawValue)]
        let isOurs = try await run { (session) throws(PostgresError) in
            try session.execute(ReplaySQL.takeDeadLetters, own).first?.bool(0) ?? false
        }
        guard isOurs else { return nil }
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await work()) } catch { outcome = .failure(error) }
        // With a connection that is gone the lock is gone too: what was found stays found.
        _ = try? await run { (session) throws(PostgresError) in try session.execute(ReplaySQL.leaveDeadLetters, own).count }
        return try outcome.get()
    }

    /// Everything of one look, if this process is the one that evaluates.
    ///
    /// - Returns: nil when another one does.
    public func board(at now: Timestamp) async throws(StorageError) -> AlertBoard? {
        try await run { (session) throws(PostgresError) in
            // Taken again by its own session it stays its own.
            guard try session.execute(AlertSQL.lead).first?.bool(0) == true else { return nil }
            let moment: [Parameter] = [.timestamp(now.microseconds)]
            let answers = try session.pipeline([
                (AlertSQL.endOrphans, []), (AlertSQL.open, []), (AlertSQL.recentFirings, moment), (AlertSQL.maintenance, moment),
                (AlertSQL.mutes, moment), (AlertSQL.tenants, []), (OutboxSQL.statistics, []), (OutboxSQL.locks, []),
                (AlertSQL.failures, moment), (AlertSQL.rejections, moment), (AlertSQL.incidents, []),
            ])
            var board = AlertBoard(context: AlertEngine.Context(now: now))
            board.open = try answers[1].map(Self.episode).compactMap { $0 }
            for (key, count) in try answers[2].map({ (row) throws(PostgresError) in (try Self.key(row, 0), try row.int64(2)) }) {
                if let key { board.context.recentFirings[key] = Int(count) }
            }
            board.context.maintenance = Set(try answers[3].map { (row) throws(PostgresError) in Self.tenant(try row.int32(0)) })
            board.context.muted = Set(try answers[4].map { (row) throws(PostgresError) in try Self.key(row, 0) }.compactMap { $0 })
            board.tenants = try answers[5].map(Self.alertTenant).compactMap { $0 }
            for row in try answers[6].map({ (row) throws(PostgresError) in (try row.int64(1), row.optionalTimestamp(2)) }) {
                board.outboxPending += row.0
                if let oldest = row.1 {
                    board.oldestPending = min(board.oldestPending ?? Timestamp(microseconds: oldest), Timestamp(microseconds: oldest))
                }
            }
            for lock in try answers[7].map({ (row) throws(PostgresError) in (try row.bool(0), try row.int64(1)) }) where !lock.0 {
                board.shardsLed.insert(Int16(truncatingIfNeeded: lock.1))
            }
            for index in 0..<answers[8].count {
                let row = answers[8][index]
                board.failures[TenantID(try row.int32(0)).production] = (try row.int64(1), try row.bool(2))
            }
            for index in 0..<answers[9].count {
                board.rejections[TenantID(try answers[9][index].int32(0)).production] = try answers[9][index].int64(1)
            }
            for index in 0..<answers[10].count {
                let row = answers[10][index]
                let tenant = TenantID(try row.int32(0))
                if try row.text(1) == QueueIncident.Kind.configDrift.rawValue {
                    board.drifting.insert(tenant)
                } else {
                    let before = board.losses[tenant]
                    board.losses[tenant] = (
                        min(before?.incident ?? .max, try row.int64(2)), (before?.messages ?? 0) + (try row.int64(3))
                    )
                }
            }
            return board
        }
    }

    /// What changes slowly, of one tenant.
    ///
    /// - Parameters:
    ///   - acknowledgedBefore: a request that the broker confirmed before should have been acknowledged by now.
    ///   - progressedBefore: one of which the CRM last said something before should have moved.
    ///   - services: the same, of services that have their own delay.
    public func history(
        of tenant: TenantID, acknowledgedBefore: Timestamp, progressedBefore: Timestamp, services: [(code: ServiceCode, before: Timestamp)]
    ) async throws(StorageError) -> TenantHistory {
        let parameters: [Parameter] = [
            .int32(tenant.rawValue), .timestamp(acknowledgedBefore.microseconds), .timestamp(progressedBefore.microseconds),
            .texts(services.map(\.code.rawValue)), .timestamps(services.map(\.before.microseconds)),
        ]
        return try await run { (session) throws(PostgresError) in
            let rows = try session.execute(AlertSQL.history, parameters)
            var history = TenantHistory()
            guard let row = rows.first else { return history }
            func moment(_ column: Int) -> Timestamp? { row.optionalTimestamp(column).map { Timestamp(microseconds: $0) } }
            history.unacknowledged = try row.int64(0)
            history.unprogressed = try row.int64(1)
            history.statuses = Rhythm(count: try row.int64(2), first: moment(3), last: moment(4))
            history.requests = Rhythm(count: try row.int64(5), first: moment(6), last: moment(7))
            history.deliveredSince = moment(8)
            return history
        }
    }

    /// When the oldest of so many messages in a tenant's queue was confirmed.
    public func confirmedSince(_ tenant: TenantID, depth: Int) async throws(StorageError) -> Timestamp? {
        try await run { (session) throws(PostgresError) in
            try session.execute(AlertSQL.confirmedSince, [.int32(tenant.rawValue), .int64(Int64(depth))]).first?.optionalTimestamp(0).map {
                Timestamp(microseconds: $0)
            }
        }
    }

    /// Writes down what became of a look, and what is to be told, in one transaction: nothing is told twice or forgotten.
    ///
    /// - Parameter write: the texts of a notice; `link` answers what signs its acknowledgement by a recipient.
    public func save(
        _ outcome: AlertEngine.Outcome, linksExpire: Timestamp,
        write: @Sendable (_ notice: AlertNotice, _ signatures: [AlertRecipient: String]) -> [NewAlertDelivery]
    ) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                var numbers: [AlertKey: Int64] = [:]
                // A thousand tenants may be without a consumer at once: one round trip for what is known already.
                var steps: [(statement: Statement, parameters: [Parameter])] = outcome.dropped.compactMap { gone in
                    gone.number.map { (AlertSQL.drop, [.int64($0)]) }
                }
                for episode in outcome.episodes {
                    guard let number = episode.number else { continue }
                    numbers[episode.key] = number
                    steps.append((AlertSQL.update, Self.row(episode)))
                }
                steps += outcome.reopened.compactMap { known in
                    known.number.map { (AlertSQL.reopen, [.int64($0), .timestamp(known.acknowledgedAt?.microseconds)]) }
                }
                if !steps.isEmpty { _ = try session.pipeline(steps) }
                for episode in outcome.episodes where episode.number == nil {
                    numbers[episode.key] = try session.execute(AlertSQL.insert, Self.row(episode)).first?.int64(0)
                }
                for notice in outcome.notices {
                    guard let number = numbers[notice.episode.key] else { continue }
                    var episode = notice.episode
                    episode.number = number
                    let told = AlertNotice(notice.kind, to: notice.audience, of: episode, at: notice.at)
                    let signatures = try Self.signatures(of: number, expires: linksExpire, session)
                    for delivery in write(told, signatures) {
                        try Self.put(delivery, alert: number, tenant: episode.key.tenant, session)
                    }
                }
            }
        }
    }

    public func forget() async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.pipeline([
                (AlertSQL.forgetDeliveries, []), (AlertSQL.forgetAlerts, []), (AlertSQL.forgetMaintenance, []), (AlertSQL.forgetMutes, []),
            ])
        }
    }

    private func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await connection.run(body) }
    }
}

// MARK: Rows

extension AlertStore {
    static func tenant(_ number: Int32) -> TenantID? { number == 0 ? nil : TenantID(number) }

    @discardableResult
    static func put(
        _ delivery: NewAlertDelivery, alert: Int64?, tenant: TenantID?, _ session: Session
    ) throws(PostgresError) -> Int64 {
        let rows = try session.execute(
            AlertSQL.deliver,
            [
                .int64(alert), .int32(tenant?.rawValue ?? 0), .text(delivery.channel.rawValue), .text(delivery.recipient.rawValue),
                .text(delivery.kind.rawValue), .text(delivery.subject), .text(delivery.body), delivery.payload.map { .json($0) } ?? .null,
            ])
        guard let number = try rows.first?.int64(0) else { throw PostgresError(.decoding, detail: "no number came back") }
        return number
    }

    private static func signatures(
        of number: Int64, expires: Timestamp, _ session: Session
    ) throws(PostgresError) -> [AlertRecipient: String] {
        let rows = try session.execute(
            AlertSQL.sign, [.int64(number), .texts(AlertRecipient.allCases.map(\.rawValue)), .int64(expires.seconds)])
        var found: [AlertRecipient: String] = [:]
        for index in 0..<rows.count {
            if let role = AlertRecipient(rawValue: try rows[index].text(0)) { found[role] = try rows[index].text(1) }
        }
        return found
    }

    static func key(_ row: Row, _ column: Int) throws(PostgresError) -> AlertKey? {
        // A newer version's alert means nothing to this one.
        guard let code = AlertCode(rawValue: try row.text(column)) else { return nil }
        return AlertKey(code, tenant(try row.int32(column + 1)))
    }

    static func episode(_ row: Row) throws(PostgresError) -> AlertEpisode? {
        guard let key = try key(row, 1), let phase = AlertEpisode.Phase(rawValue: try row.text(3)),
            let severity = AlertSeverity(rawValue: try row.int16(4))
        else { return nil }
        func moment(_ column: Int) -> Timestamp? { row.optionalTimestamp(column).map { Timestamp(microseconds: $0) } }
        var episode = AlertEpisode(key, since: Timestamp(microseconds: try row.timestamp(5)), severity: severity)
        episode.number = try row.int64(0)
        episode.phase = phase
        episode.firedAt = moment(6)
        episode.clearSince = moment(7)
        episode.seenAt = Timestamp(microseconds: try row.timestamp(8))
        AlertFactsJSON.read(try row.json(9), into: &episode)
        episode.concernsTenant = try row.bool(10)
        episode.isUnstable = try row.bool(11)
        episode.wasHeld = try row.bool(12)
        episode.acknowledgedAt = moment(13)
        for (audience, column) in [(AlertAudience.administrator, 14), (.manager, 17)] {
            guard let at = moment(column), let told = AlertSeverity(rawValue: try row.int16(column + 2)) else { continue }
            episode.told[audience] = AlertEpisode.Told(at: at, count: Int(try row.int32(column + 1)), severity: told)
        }
        return episode
    }

    private static func row(_ episode: AlertEpisode) -> [Parameter] {
        func told(_ audience: AlertAudience) -> [Parameter] {
            let told = episode.told[audience]
            return [
                .timestamp(told?.at.microseconds), .int32(Int32(told?.count ?? 0)), told.map { .int16($0.severity.rawValue) } ?? .null,
            ]
        }
        return [
            .text(episode.key.code.rawValue), .int32(episode.key.tenant?.rawValue ?? 0), .text(episode.phase.rawValue),
            .int16(episode.severity.rawValue), .timestamp(episode.since.microseconds), .timestamp(episode.firedAt?.microseconds),
            .timestamp(episode.clearSince?.microseconds), .timestamp(episode.endedAt?.microseconds),
            .timestamp(episode.seenAt.microseconds),
            .json(AlertFactsJSON.bytes(episode)), .bool(episode.concernsTenant), .bool(episode.isUnstable), .text(episode.silence?.name),
            .bool(episode.wasHeld),
        ] + told(.administrator) + told(.manager)
    }

    private static func alertTenant(_ row: Row) throws(PostgresError) -> AlertTenant? {
        guard let key = try? TenantKey(validating: try row.text(1)) else { return nil }
        let roles = try row.texts(7)
        return AlertTenant(
            id: TenantID(try row.int32(0)), key: key, name: try row.text(2), language: Language(parsing: try row.text(3)) ?? .french,
            timeZone: try row.text(4), virtualHost: try row.text(5), terms: ArrangementJSON.read(try row.json(6)).terms,
            hasAdministrator: roles.contains("technical_administrator"), hasManager: roles.contains("manager"))
    }
}
