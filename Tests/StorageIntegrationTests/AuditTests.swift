import Logging
import NIOConcurrencyHelpers
import Open311
import Postgres
import TestSupport
import Testing

@testable import Storage

@Suite("The audit")
struct AuditTests {
    private func entry(_ number: Int) -> AuditEntry {
        AuditEntry(
            at: .now, tenant: TenantID(1), direction: .inHTTP, actor: "k", operation: "POST requests",
            request: ServiceRequestID(stored: Int64(number)), result: "200", duration: .milliseconds(1))
    }

    private func period() -> AuditFilter { AuditFilter(from: Timestamp.now.adding(days: -1), to: Timestamp.now.adding(days: 1)) }

    @Test("what waits at a clean stop is written, and verified to be all there was")
    func cleanStop() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let recorder = try AuditRecorder(
            configuration: addresses.role("bus311_gateway"), service: "test", logger: Logger(label: "test"))
        let running = Task { await recorder.run() }
        for number in 1...5_000 { await recorder.record(entry(number)) }
        running.cancel()
        await running.value
        let store = try AuditStore(configuration: addresses.role("bus311_admin"))
        let rows = try await store.page(of: TenantID(1), period(), limit: 10_000)
        #expect(rows.compactMap(\.request) == (1...5_000).map(Int64.init) && rows.compactMap(\.number) == (1...5_000).map(Int64.init))
        let report = try await store.verify(keptElsewhere: [], now: .now) { "\($0)" }
        #expect(report.findings.isEmpty, "\(report.findings)")
        await store.close()
    }

    @Test("a full buffer slows its callers and loses nothing; a row that cannot be stored is counted and leaves a gap that is found")
    func fullBuffer() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let told = NIOLockedValueBox((slowed: 0, lost: 0))
        let recorder = try AuditRecorder(
            configuration: addresses.role("bus311_gateway"), service: "test", logger: Logger(label: "test"), capacity: 10
        ) { progress in
            told.withLockedValue {
                $0.slowed += progress.slowed
                $0.lost += progress.lost
            }
        }
        let running = Task { await recorder.run() }
        var bad = entry(41)
        // PostgreSQL has no such text.
        bad.operation = "zero \u{0}"
        for number in 1...40 { await recorder.record(entry(number)) }
        await recorder.record(bad)
        running.cancel()
        await running.value
        let (slowed, lost) = told.withLockedValue { $0 }
        #expect(slowed > 0 && lost == 1, "\(slowed), \(lost)")
        let store = try AuditStore(configuration: addresses.role("bus311_admin"))
        #expect(try await store.page(of: TenantID(1), period(), limit: 100).count == 40)
        let findings = try await store.verify(keptElsewhere: [], now: .now) { "\($0)" }.findings
        #expect(findings.map(\.kind) == [.lostRows], "\(findings)")
        await store.close()
    }

    @Test("a tenant's CRM reads its own rows, and without a tenant none")
    func rowLevelSecurity() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        let admin = try AdministrationStore(configuration: addresses.role("bus311_admin"))
        var other = entry(2)
        other.tenant = TenantID(2)
        try await admin.audit([entry(1), other])
        let crm = try AuditStore(configuration: addresses.role("bus311_status"))
        #expect(try await crm.page(of: TenantID(1), period(), limit: 10).map(\.request) == [1])
        let unbounded = try await crm.run { (session) throws(PostgresError) in
            Int(try session.execute(Statement("all_of_it", "select count(*) from audit")).first?.int64(0) ?? -1)
        }
        #expect(unbounded == 0)
        await crm.close()
        await admin.close()
    }
}
