import Open311
import Postgres

/// The statistics of use: counted by the watch, read by operators and by each tenant's CRM.
public final class UsageStore: Sendable {
    /// What a step of the counting did.
    public struct Step: Sendable, Equatable {
        /// Nil when another counts at this moment.
        public let countedTo: Timestamp?
        public let settledTo: Timestamp?
        /// Nothing was left to count when it began, nor to count again.
        public let isDone: Bool
    }

    private let connection: PostgresConnection

    /// - Parameter configuration: of the watch's, the administration's or the status role; the last counts nothing and sees one tenant
    ///   at a time.
    public init(configuration: PostgresConfiguration) throws {
        var patient = configuration
        // A busy hour of a large installation is read twice.
        patient.statementTimeout = .seconds(120)
        connection = try PostgresConnection(configuration: patient)
    }

    public func close() async { await connection.close() }

    /// Counts the next part, in one transaction with the mark of how far it is. Safe to call by several at once.
    ///
    /// - Parameters:
    ///   - moment: count what was before it; nil for now. Later than now counts as now.
    ///   - longest: of a part, in seconds; a part never goes over the end of an hour.
    public func step(asOf moment: Timestamp? = nil, longest: Double = 3_600) async throws(StorageError) -> Step {
        try await run { (session) throws(PostgresError) in
            guard let row = try session.execute(UsageSQL.step, [.timestamp(moment?.microseconds), .double(longest)]).first else {
                throw PostgresError(.decoding, detail: "no step of the counting came back")
            }
            return Step(
                countedTo: row.optionalTimestamp(0).map { Timestamp(microseconds: $0) },
                settledTo: row.optionalTimestamp(1).map { Timestamp(microseconds: $0) }, isDone: try row.bool(3))
        }
    }

    /// A tenant's period beside the same days a year before, in one round trip.
    ///
    /// - Parameter language: of the services' names and of the page.
    public func report(of tenant: Tenant, _ period: UsagePeriod, language: Language) async throws(StorageError) -> UsageReport {
        let id = tenant.id.production
        let clock = LocalClock(tenant.timeZone)
        let periods = [period, period.yearBefore]
        return try await run { (session) throws(PostgresError) in
            var steps: [(statement: Statement, parameters: [Parameter])] = [RequestSQL.tenant(id, plansForParameters: true)]
            steps += periods.flatMap { Self.steps($0, id, clock, tenant.timeZone) }
            steps += [
                (UsageSQL.services, [.int32(id.rawValue), .text(language.primary.rawValue)]), (UsageSQL.keys, [.int32(id.rawValue)]),
                (UsageSQL.cursor, []),
            ]
            let answers = try session.pipeline(steps)
            func names(_ rows: Rows) throws(PostgresError) -> [String: String] {
                Dictionary(
                    try rows.map { (row) throws(PostgresError) in (try row.text(0), try row.text(1)) },
                    uniquingKeysWith: { first, _ in first })
            }
            return UsageReport(
                tenant: tenant.key, city: tenant.name, timeZone: tenant.timeZone, language: language, period: period,
                countedTo: Timestamp(microseconds: try answers[11].first?.timestamp(0) ?? 0), current: try Self.figures(answers[1...4]),
                before: try Self.figures(answers[5...8]), serviceNames: try names(answers[9]), keyLabels: try names(answers[10]))
        }
    }

    private static func steps(
        _ period: UsagePeriod, _ tenant: TenantID, _ clock: LocalClock, _ zone: String
    ) -> [(statement: Statement, parameters: [Parameter])] {
        let bounds: [Parameter] = [
            .timestamp(clock.beginning(of: period.from).microseconds), .timestamp(clock.beginning(of: period.to).microseconds),
        ]
        let own: [Parameter] = [.int32(tenant.rawValue)]
        let grain: Parameter = .text(period.isWholeMonths ? "month" : "hour")
        return [
            (UsageSQL.sums, own + [grain] + bounds), (UsageSQL.durations, own + [grain] + bounds),
            (UsageSQL.days, own + bounds + [.text(zone)]),
            period.isWholeMonths ? (UsageSQL.profile, own + bounds) : (UsageSQL.profileOfHours, own + bounds + [.text(zone)]),
        ]
    }

    private static func figures(_ answers: ArraySlice<Rows>) throws(PostgresError) -> UsageFigures {
        var figures = UsageFigures()
        let dimensions: [Int32: UsageFigures.Dimension] = [7: .service, 11: .channel, 13: .key, 14: .detail]
        let first = answers.startIndex
        func all(_ rows: Rows) -> some Sequence<Row> { (0..<rows.count).lazy.map { rows[$0] } }
        for row in all(answers[first]) {
            guard let measure = UsageMeasure(rawValue: try row.text(0)) else { continue }
            let (kind, count) = (try row.int32(1), try row.int64(3))
            if let dimension = dimensions[kind] {
                figures.add(count, measure, dimension, try row.text(2))
            } else {
                figures.add(total: count, measure)
            }
        }
        for row in all(answers[first + 1]) {
            guard let measure = UsageMeasure(rawValue: try row.text(0)), let bucket = Int(try row.text(2)) else { continue }
            figures.add(try row.int64(3), measure, service: try row.text(1), bucket: bucket)
        }
        for row in all(answers[first + 2]) {
            guard let measure = UsageMeasure(rawValue: try row.text(1)), let day = CivilDay(try row.text(0)) else { continue }
            figures.add(try row.int64(2), measure, on: day)
        }
        for row in all(answers[first + 3]) { figures.add(try row.int64(1), hourOfWeek: Int(try row.int32(0))) }
        return figures
    }

    /// All counts of a few days (or of months, for that step), for a table.
    public func lines(
        of tenant: Tenant, from: CivilDay, to: CivilDay, by step: UsageTable.Step
    ) async throws(StorageError) -> [UsageLine] {
        let id = tenant.id.production
        let clock = LocalClock(tenant.timeZone)
        // Parts of months are added up from their hours.
        let isMonths = step == .month && from.civil.day == 1 && to.civil.day == 1
        let form =
            switch step {
            case .hour: "YYYY-MM-DD HH24:00"
            case .day: "YYYY-MM-DD"
            case .month: "YYYY-MM"
            }
        let parameters: [Parameter] = [
            .int32(id.rawValue), .text(isMonths ? "month" : "hour"), .timestamp(clock.beginning(of: from).microseconds),
            .timestamp(clock.beginning(of: to).microseconds), .text(tenant.timeZone), .text(form),
        ]
        let counts = try await run { (session) throws(PostgresError) in
            try session.pipeline([RequestSQL.tenant(id, plansForParameters: true), (UsageSQL.lines, parameters)])[1]
                .map { (row) throws(PostgresError) -> UsageLine? in
                    guard let measure = UsageMeasure(rawValue: try row.text(1)) else { return nil }
                    return UsageLine(
                        starts: try row.text(0), measure: measure, service: try row.text(2), channel: try row.text(3),
                        key: try row.text(4), detail: try row.text(5), value: Double(try row.int64(6)))
                }.compactMap { $0 }
        }
        return UsageTable.lines(counts)
    }

    private func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await connection.run(body) }
    }
}
