import Open311
import Postgres

/// Something that a good audit does not have.
public struct AuditFinding: Sendable, Equatable {
    public enum Kind: String, Sendable {
        /// A sealed day has other rows than when it was sealed.
        case changedDay = "changed-day"
        /// A seal does not continue the one before it, or one is missing.
        case brokenChain = "broken-chain"
        /// A day is over and has no seal.
        case unsealedDay = "unsealed-day"
        /// A seal is not the one that was kept elsewhere.
        case otherSeal = "other-seal"
        /// Rows that a process numbered are not there.
        case missingRows = "missing-rows"
        /// Events were confirmed, and their rows, written in the same transactions, are not there.
        case missingEvents = "missing-events"
        /// A process gave rows up, and said so.
        case lostRows = "lost-rows"
        /// A process ended without a word: its last rows may be missing.
        case silentEnd = "silent-end"
        /// Requests were taken in and no row tells of their POST.
        case unrecordedRequests = "unrecorded-requests"
    }

    public let kind: Kind
    public let text: String

    /// Whether it says that the audit is not what was written; the others say what could not be written.
    public var isTampering: Bool {
        switch kind {
        case .changedDay, .brokenChain, .unsealedDay, .otherSeal, .missingRows, .missingEvents: true
        case .lostRows, .silentEnd, .unrecordedRequests: false
        }
    }
}

/// What ``AuditStore/verify(keptElsewhere:now:)`` looked at, and what it found.
public struct AuditVerification: Sendable {
    public var days = 0
    public var rows: Int64 = 0
    public var findings: [AuditFinding] = []
}

extension AuditStore {
    /// Computes every seal anew from the rows, follows each tenant's chain, and looks for numbers that are missing.
    ///
    /// - Parameters:
    ///   - kept: seals that were written down outside of this database, in any order.
    ///   - tenantName: for the findings.
    public func verify(
        keptElsewhere kept: [AuditSeal], now: Timestamp, tenantName: (Int32) -> String
    ) async throws(StorageError) -> AuditVerification {
        var report = AuditVerification()
        let seals = try await self.seals()
        try await verifyDays(seals, &report, tenantName)
        for one in kept {
            let found = seals.first { $0.tenant == one.tenant && $0.day == one.day }
            if found?.digest != one.digest {
                report.findings.append(
                    AuditFinding(
                        kind: .otherSeal,
                        text: "\(tenantName(one.tenant)), \(one.day): the seal \(found == nil ? "is missing here" : "is another one")"))
            }
        }
        for day in try await unsealedDays() {
            report.findings.append(AuditFinding(kind: .unsealedDay, text: "\(day) is over and not sealed: run bus311 audit seal"))
        }
        try await verifyNumbers(&report)
        let events = try await unwrittenEvents(since: now.adding(days: -35))
        if events > 0 {
            report.findings.append(
                AuditFinding(
                    kind: .missingEvents, text: "\(events) events were confirmed by the broker, and their rows out.amqp are not there"))
        }
        let missing = try await missing(from: now.adding(days: -35), to: now.adding(seconds: -60))
        if missing > 0 {
            report.findings.append(
                AuditFinding(
                    kind: .unrecordedRequests,
                    text: "\(missing) requests were taken in and no row tells of their POST: run bus311 audit recover"))
        }
        return report
    }

    private func verifyDays(
        _ seals: [AuditSeal], _ report: inout AuditVerification, _ tenantName: (Int32) -> String
    ) async throws(StorageError) {
        let floor = try await floor()
        var last: [Int32: AuditSeal] = [:]
        for (day, ofDay) in Dictionary(grouping: seals, by: \.day).sorted(by: { $0.key < $1.key }) {
            report.days += 1
            // Days whose rows went by retention keep their seal, so that the chain goes on.
            let hasRows = floor.map { $0 <= day } ?? true
            let stored = hasRows ? Set(try await tenants(of: day)) : []
            for seal in ofDay.sorted(by: { $0.tenant < $1.tenant }) {
                let before = last[seal.tenant]
                last[seal.tenant] = seal
                if seal.previous != before?.digest {
                    report.findings.append(
                        AuditFinding(
                            kind: .brokenChain, text: "\(tenantName(seal.tenant)), \(day): its seal does not continue the one before"))
                }
                guard hasRows else { continue }
                var digest = try await digest(of: seal.tenant, day: day, previous: seal.previous)
                let rows = digest.rows
                report.rows += rows
                if seal.tenant == 0 {
                    for other in ofDay.sorted(by: { $0.tenant < $1.tenant }) where other.tenant != 0 { digest.add(seal: other) }
                }
                if digest.finalize() != seal.digest {
                    report.findings.append(
                        AuditFinding(
                            kind: .changedDay,
                            text:
                                "\(tenantName(seal.tenant)), \(day): \(rows) rows, sealed with \(seal.rows); they are not the ones that were sealed"
                        ))
                }
            }
            for tenant in stored.subtracting(ofDay.map(\.tenant)).sorted() {
                report.findings.append(
                    AuditFinding(kind: .brokenChain, text: "\(tenantName(tenant)), \(day): rows, and no seal of that day"))
            }
        }
        // Each day between the first and the last has the installation's seal, with or without rows.
        let own = seals.filter { $0.tenant == 0 }.map(\.day).sorted()
        for (day, next) in zip(own, own.dropFirst()) {
            if let start = Timestamp(day: day), Timestamp(day: next) != start.adding(days: 1) {
                report.findings.append(AuditFinding(kind: .brokenChain, text: "no seal between \(day) and \(next)"))
            }
        }
    }

    /// The first day whose rows must be there; nil while none went by retention.
    private func floor() async throws(StorageError) -> String? {
        try await run { (session) throws(PostgresError) in try session.execute(AuditSQL.floor).first?.optionalText(0) }
    }

    private func unsealedDays() async throws(StorageError) -> [String] {
        try await run { (session) throws(PostgresError) in
            try session.execute(AuditSQL.days).map { (row) throws(PostgresError) in row.optionalText(0) }.compactMap { $0 }
        }
    }

    /// Each process numbered its rows from 1 on.
    private func verifyNumbers(_ report: inout AuditVerification) async throws(StorageError) {
        let floor = try await floor().flatMap { Timestamp(day: $0) } ?? Timestamp(microseconds: 0)
        let found = try await run { (session) throws(PostgresError) in
            let counts = try session.execute(AuditSQL.numbers, [.timestamp(floor.microseconds)]).map { (row) throws(PostgresError) in
                (writer: try row.int32(0), count: try row.int64(1), highest: try row.int64(2))
            }
            let known = Dictionary(counts.map { ($0.writer, $0) }, uniquingKeysWith: { first, _ in first })
            return try session.execute(AuditSQL.writers, [.timestamp(floor.microseconds)]).map {
                (row) throws(PostgresError) -> [AuditFinding] in
                let number = try row.int32(0)
                let (told, lost, isSilent) = (try row.int64(4), try row.int64(5), try row.bool(6))
                let (count, highest) = known[number].map { ($0.count, $0.highest) } ?? (0, 0)
                let name = "\(try row.text(1)), begun \(Timestamp(microseconds: try row.timestamp(2)).iso8601)"
                var findings: [AuditFinding] = []
                let expected = max(told, highest)
                if expected - count > lost {
                    findings.append(
                        AuditFinding(kind: .missingRows, text: "\(name): \(expected - count - lost) of its \(expected) rows are not there"))
                }
                if lost > 0 {
                    findings.append(AuditFinding(kind: .lostRows, text: "\(name): it had to give up \(lost) rows: the database was away"))
                }
                if isSilent {
                    let seen = Timestamp(microseconds: try row.timestamp(3)).iso8601
                    findings.append(
                        AuditFinding(
                            kind: .silentEnd, text: "\(name): it ended without a word after \(seen): what it did last may be missing"))
                }
                return findings
            }
        }
        report.findings += found.flatMap { $0 }
    }
}
