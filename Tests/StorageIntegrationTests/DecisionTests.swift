import Foundation
import Open311
import Postgres
import Storage
import TestSupport
import Testing

@Suite("Moderation and erasure")
struct DecisionTests {
    private let city: City
    private let updates: StatusUpdateStore
    private let owner: PostgresConnection

    init() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        updates = try StatusUpdateStore(configuration: addresses.role("bus311_status"))
        owner = try PostgresConnection(configuration: addresses.owner)
    }

    private static let secret = "canary-of-the-person"

    private func submit() async throws -> ServiceRequestID {
        var tenant = city.tenant
        tenant.policies.contract = .both
        let reporter = Reporter(firstName: Self.secret, lastName: nil, email: nil, phone: nil, accountID: nil, deviceID: nil)
        let submission = try Fixtures.submission(for: tenant, description: Self.secret, reporter: reporter)
        return try await city.recorder.record(submission, tenant: tenant).id
    }

    private func number(_ sql: String) async throws -> Int64 {
        try await owner.run { (session) throws(PostgresError) in
            try session.execute(Statement("test_\(abs(sql.hashValue))", sql)).first?.int64(0) ?? 0
        }
    }

    private func run(_ sql: String) async throws {
        try await owner.run { (session) throws(PostgresError) in try session.script(sql, within: .seconds(30)) }
    }

    @Test("a replay and an erasure at once: whoever comes first, nothing of the person waits for the broker afterwards")
    func replayAgainstErasure() async throws {
        for round in 0..<12 {
            let requests = [try await submit(), try await submit()]
            try await run("update outbox set state = 'confirmed', confirmed_at = now() where state = 'pending'")
            let replays = try ReplayStore(configuration: city.addresses.role("bus311_admin"))
            let selection = ReplaySelection(from: Timestamp.now.adding(seconds: -3_600), to: Timestamp.now.adding(seconds: 60))
            let job = try await replays.create(selection, of: city.tenant.id, by: "test")
            let (updates, tenant) = (self.updates, city.tenant)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    // Both orders come up.
                    if round % 2 == 0 { try await Task.sleep(for: .milliseconds(Int.random(in: 0...3))) }
                    while try await !replays.step(job, count: 3).isDone {}
                }
                for request in requests {
                    group.addTask {
                        if round % 2 == 1 { try await Task.sleep(for: .milliseconds(Int.random(in: 0...3))) }
                        _ = try await updates.erase(request, because: .retention, by: "test", of: tenant, origin: Fixtures.origin)
                    }
                }
                try await group.waitForAll()
            }
            await replays.close()
        }
        #expect(try await number("select count(*) from outbox where position('\(Self.secret)' in convert_from(body, 'UTF8')) > 0") == 0)
        #expect(try await number("select count(*) from erasures") == 24)
        #expect(try await number("select count(*) from reporters") == 0)
        #expect(
            try await number("select count(*) from outbox where type = 'service_request.erased.v1' and replay_id is null") == 24)
    }

    @Test("decisions of many at once: each change has its sequence, without a gap, in both versions")
    func sequences() async throws {
        let request = try await submit()
        var tenant = city.tenant
        tenant.policies.contract = .both
        let (updates, chosen) = (self.updates, tenant)
        await withTaskGroup(of: Void.self) { group in
            for turn in 0..<8 {
                group.addTask {
                    guard
                        let moderation = try? Moderation(turn % 2 == 0 ? .hide : .restore, because: "t", at: .now, through: .operator)
                    else { return }
                    _ = try? await updates.moderate(request, moderation, by: "test", of: chosen, origin: Fixtures.origin)
                }
            }
        }
        let changes = try await number("select count(*) from moderations where request_id = \(request)")
        #expect(changes >= 1)
        #expect(try await number("select max(request_sequence)::bigint from outbox where request_id = \(request)") == changes + 1)
        #expect(
            try await number(
                """
                select count(*) from (select request_sequence from outbox where request_id = \(request)
                group by request_sequence having count(*) = 2 and count(distinct type) = 2 and count(distinct event_id) = 2) as pairs
                """) == changes + 1)
        #expect(try await number("select sequence::bigint from service_requests where id = \(request)") == changes + 1)
    }

    @Test("what was never listed is not after it was hidden and restored; another tenant's request is unknown")
    func unlisted() async throws {
        let request = try await submit()
        try await run("update service_requests set listed = false where id = \(request)")
        for decision in Moderation.Decision.allCases {
            let moderation = try Moderation(decision, because: "t", at: .now, through: .operator)
            let applied = try await updates.moderate(request, moderation, by: "test", of: city.tenant, origin: Fixtures.origin)
            #expect(applied.isChange && applied.isHidden == (decision == .hide))
        }
        #expect(try await city.reader.find([request], of: city.tenant.id).isEmpty)
        let other = try await City(city.addresses, key: "orbe-1b2c3d", jurisdiction: "orbe.example")
        await #expect(throws: StatusUpdateRefusal.self) {
            _ = try await updates.erase(request, because: .retention, by: "test", of: other.tenant, origin: Fixtures.origin)
        }
        #expect(try await number("select count(*) from erasures") == 0)
    }
}
