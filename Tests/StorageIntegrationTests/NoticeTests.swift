import Open311
import Postgres
import Storage
import TestSupport
import Testing

@Suite("The outbox of notices")
struct NoticeTests {
    private let city: City
    private let updates: StatusUpdateStore
    private let administration: AdministrationStore
    private let owner: PostgresConnection

    init() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        updates = try StatusUpdateStore(configuration: addresses.role("bus311_status"))
        administration = try AdministrationStore(configuration: addresses.role("bus311_admin"))
        owner = try PostgresConnection(configuration: addresses.owner)
    }

    private func submit(_ email: String? = "ada@mail.example", to tenant: Tenant? = nil) async throws -> ServiceRequestID {
        let reporter = Reporter(firstName: "Ada", lastName: nil, email: email, phone: nil, accountID: nil, deviceID: nil)
        let tenant = tenant ?? city.tenant
        return try await city.recorder.record(try Fixtures.submission(for: tenant, description: "x", reporter: reporter), tenant: tenant).id
    }

    private func run(_ sql: String) async throws {
        try await owner.run { (session) throws(PostgresError) in try session.script(sql, within: .seconds(30)) }
    }

    private func texts(_ sql: String) async throws -> [String] {
        try await owner.run { (session) throws(PostgresError) in
            try session.execute(Statement("test_\(abs(sql.hashValue))", sql)).map { (row) throws(PostgresError) in try row.text(0) }
        }
    }

    private func move(_ request: ServiceRequestID, _ status: String, _ at: String) async throws {
        try await run(
            "update service_requests set status = '\(status)', status_occurred_at = '\(at)', status_notes = 'n' where id = \(request)")
    }

    @Test("a report and each move write one notice, where there is an address and the city wants it; a test endpoint none")
    func written() async throws {
        _ = try await submit()
        #expect(try await texts("select kind from notices") == [])
        try await administration.setNoticePolicy(try NoticePolicy(kinds: [.received, .done, .rejected]), of: city.tenant.id)
        let request = try await submit()
        _ = try await submit(nil)
        _ = try await submit(to: city.tenant.testEndpoint)
        try await tell(request, 1, "IN_PROCESS", "begun")
        try await tell(request, 2, "PROCESSED,CLOSED", "done")
        try await tell(request, 2, "PROCESSED,CLOSED", "done")
        try await tell(request, 3, "PROCESSED", "more")
        try await tell(request, 4, "IN_PROCESS", "again")
        try await tell(request, 5, "REJECTED", nil)
        #expect(try await told() == ["received -", "done done", "rejected -"])
    }

    @Test("moves of one moment are all told, by their own notes; what comes late and changes nothing is not")
    func oneMoment() async throws {
        try await administration.setNoticePolicy(try NoticePolicy(kinds: [.accepted, .done, .rejected]), of: city.tenant.id)
        let request = try await submit()
        for (sequence, status) in [(1, "PROCESSED"), (2, "IN_PROCESS"), (3, "PROCESSED")] {
            try await tell(request, 1_000, status, "n\(sequence)", sequence: Int64(sequence))
        }
        try await tell(request, 999, "REJECTED", "late")
        #expect(try await told() == ["done n1", "accepted n2", "done n3"])
    }

    @Test("where a late update brings the state back to an earlier one, its note is told")
    func lateMove() async throws {
        try await administration.setNoticePolicy(try NoticePolicy(kinds: [.rejected]), of: city.tenant.id)
        let (parent, request) = (try await submit(nil), try await submit())
        try await tell(request, 1, "IN_PROCESS", "begun")
        try await tell(request, 5, nil, "only a word")
        try await tell(request, 3, "REJECTED", "private road")
        #expect(try await told() == ["rejected private road"])
        // Merged without a word: nothing of before is its reason.
        try await tell(request, 6, "open", "opened")
        try await tell(request, 7, nil, nil, mergedInto: parent)
        #expect(try await told() == ["rejected private road", "duplicate -"])
    }

    /// So many seconds after a moment of yesterday.
    private func tell(
        _ request: ServiceRequestID, _ second: Int64, _ status: String?, _ note: String?, sequence: Int64? = nil,
        mergedInto parent: ServiceRequestID? = nil
    ) async throws {
        let word = parent == nil ? status : "REJECTED,DUPLICATE"
        var update = StatusUpdate(
            id: "\(second)-\(sequence ?? 0)", occurredAt: Timestamp(seconds: 1_764_000_000 + second),
            status: try word.map { try StatusUpdate.RequestedStatus(validating: $0) }, statusNotes: note, agencyResponsible: nil,
            expectedAt: nil, serviceNotice: nil, externalReference: nil)
        update.sourceSequence = sequence
        update.mergedInto = parent.map { .number($0) }
        _ = try await updates.apply(update, to: request, of: city.tenant.id)
    }

    private func told() async throws -> [String] {
        try await texts("select kind || ' ' || coalesce(note, '-') from notices order by id")
    }

    @Test("mailers side by side take each notice once, and those of one request in their order")
    func takers() async throws {
        try await administration.setNoticePolicy(try NoticePolicy(kinds: [.received, .accepted, .done]), of: city.tenant.id)
        for _ in 0..<12 {
            let request = try await submit()
            try await move(request, "IN_PROCESS", "2026-11-25T10:00:00Z")
            try await move(request, "PROCESSED", "2026-11-25T11:00:00Z")
        }
        let addresses = city.addresses
        let taken = try await withThrowingTaskGroup(of: [Int64].self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let outbox = try NoticeOutbox(configuration: addresses.role("bus311_mailer"))
                    var mine: [Int64] = []
                    while let notice = try await outbox.take(lease: .seconds(60)) {
                        mine.append(notice.id)
                        #expect(notice.content?.email == "ada@mail.example" && notice.doubts == 0 && notice.attempts == 1)
                        _ = try await outbox.settle(notice.id, .sent, because: nil, address: [UInt8](repeating: 1, count: 32))
                    }
                    await outbox.close()
                    return mine
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        // A mailer that finds the next one of a request in another's hands goes away: the last ones wait.
        let outbox = try NoticeOutbox(configuration: addresses.role("bus311_mailer"))
        var rest: [Int64] = []
        while let notice = try await outbox.take(lease: .seconds(60)) {
            rest.append(notice.id)
            _ = try await outbox.settle(notice.id, .sent, because: nil, address: nil)
        }
        #expect(Set(taken + rest).count == 36 && (taken + rest).count == 36)
        #expect(
            try await texts(
                """
                select 'out of order' from notices a join notices b on b.request_id = a.request_id and b.id > a.id
                where b.settled_at < a.settled_at
                """) == [])
        #expect(try await outbox.standing(of: [[UInt8](repeating: 1, count: 32)], tenant: city.tenant.id).sentToday == Int64(taken.count))
        await outbox.close()
    }

    @Test("what was in somebody's hands for too long comes with a doubt; what is settled is not settled again")
    func leases() async throws {
        try await administration.setNoticePolicy(try NoticePolicy(kinds: [.received]), of: city.tenant.id)
        _ = try await submit()
        let outbox = try NoticeOutbox(configuration: city.addresses.role("bus311_mailer"))
        let first = try #require(try await outbox.take(lease: .seconds(60)))
        #expect(try await outbox.take(lease: .seconds(60)) == nil)
        // Its holder died a minute ago.
        try await run("update notices set next_attempt_at = now() - interval '1 second'")
        let second = try #require(try await outbox.take(lease: .seconds(60)))
        #expect(second.id == first.id && second.doubts == 1 && second.attempts == 2)
        #expect(try await outbox.settle(first.id, .sent, because: nil, address: nil))
        #expect(try await !outbox.settle(first.id, .failed, because: "x", address: nil))
        #expect(try await administration.retryNotice(first.id) == .refused(state: "sent", reason: nil))
        await outbox.close()
    }

    @Test("an erasure takes the notices' words, drops what waits, and whoever holds one settles nothing")
    func erased() async throws {
        try await administration.setNoticePolicy(try NoticePolicy(kinds: [.received, .rejected]), of: city.tenant.id)
        let request = try await submit()
        try await move(request, "REJECTED", "2026-11-25T10:00:00Z")
        let outbox = try NoticeOutbox(configuration: city.addresses.role("bus311_mailer"))
        let held = try #require(try await outbox.take(lease: .seconds(60)))
        _ = try await updates.erase(request, because: .dataSubjectRequest, by: "test", of: city.tenant, origin: Fixtures.origin)
        #expect(try await !outbox.settle(held.id, .sent, because: nil, address: [UInt8](repeating: 1, count: 32)))
        #expect(
            try await texts("select state || ' ' || reason || ' ' || coalesce(note, '-') || coalesce(address::text, '-') from notices")
                == ["dropped erased --", "dropped erased --"])
        #expect(try await outbox.take(lease: .seconds(60)) == nil)
        await outbox.close()
    }

    @Test("the gateway's role erases and withdraws for a signed link, and reads no address but the link's own")
    func gateway() async throws {
        let decisions = try StatusUpdateStore(configuration: city.addresses.role("bus311_gateway"), connections: 1)
        let people = try PersonStore(configuration: city.addresses.role("bus311_gateway"))
        let (first, second) = (try await submit(), try await submit("ADA@mail.example"))
        let other = try await submit("bob@mail.example")
        #expect(try await people.requests(ofAuthorOf: first, tenant: city.tenant.id) == [second, first])
        #expect(try await people.requests(ofAuthorOf: other, tenant: city.tenant.id) == [other])
        let foreign = try await City(city.addresses, key: "orbe-1b2c3d", jurisdiction: "orbe.example")
        #expect(try await people.requests(ofAuthorOf: first, tenant: foreign.tenant.id) == [])
        #expect(try await people.subject(first, of: foreign.tenant.id) == nil)
        #expect(try await people.export([first], tenant: foreign.tenant.id, reader: "link") == [])
        let moderation = try Moderation(.hide, because: "withdrawn by its author", at: .now, through: .citizen)
        #expect(try await decisions.moderate(first, moderation, by: "link", of: city.tenant, origin: Fixtures.origin).isChange)
        #expect(
            try await decisions.erase(first, because: .dataSubjectRequest, by: "link", of: city.tenant, origin: Fixtures.origin).isChange)
        #expect(try await people.subject(first, of: city.tenant.id)?.erasedAt != nil)
        #expect(try await people.requests(ofAuthorOf: second, tenant: city.tenant.id) == [second])
        await people.close()
        await decisions.close()
    }

    @Test("whose report is erased, is unsubscribed by the hash in the link; without it nothing is done, and that is said")
    func unsubscribedWhenErased() async throws {
        let secret = try LinkSecret(String(repeating: "s", count: 32))
        let hash = secret.hash(address: "ada@mail.example")
        let (erased, other) = (try await submit(), try await submit())
        _ = try await updates.erase(erased, because: .dataSubjectRequest, by: "link", of: city.tenant, origin: Fixtures.origin)
        let people = try PersonStore(configuration: city.addresses.role("bus311_gateway"))
        let outbox = try NoticeOutbox(configuration: city.addresses.role("bus311_mailer"))
        #expect(try await !people.refuseNotices(ofAuthorOf: erased, tenant: city.tenant.id, secret: secret, orOf: nil))
        #expect(try await !outbox.standing(of: [hash], tenant: city.tenant.id).isRefused)
        #expect(try await people.refuseNotices(ofAuthorOf: erased, tenant: city.tenant.id, secret: secret, orOf: hash))
        #expect(try await outbox.standing(of: [hash], tenant: city.tenant.id).isRefused)
        #expect(try await people.requests(ofAuthorOf: other, tenant: city.tenant.id) == [other])
        await people.close()
        await outbox.close()
    }

    @Test("of many, what is held stays and is told, and the others go")
    func held() async throws {
        let (kept, gone) = (try await submit(), try await submit())
        #expect(try await administration.hold(kept, because: "case 17", by: "anna") == .held)
        for (request, isChange) in [(kept, nil), (gone, true), (gone, false)] as [(ServiceRequestID, Bool?)] {
            let applied = try await updates.eraseUnlessHeld(
                request, because: .dataSubjectRequest, by: "link", of: city.tenant, origin: Fixtures.origin)
            #expect(applied?.isChange == isChange)
        }
        #expect(try await texts("select request_id::text from erasures") == ["\(gone)"])
    }

    @Test("who was unsubscribed under a secret that is being given up stays so, and beyond its end")
    func rotation() async throws {
        try await administration.setNoticePolicy(try NoticePolicy(kinds: [.received]), of: city.tenant.id)
        let request = try await submit()
        let old = try LinkSecret(String(repeating: "s", count: 32))
        let rotated = try LinkSecret(String(repeating: "n", count: 32), previous: String(repeating: "s", count: 32))
        let people = try PersonStore(configuration: city.addresses.role("bus311_gateway"))
        #expect(try await people.refuseNotices(ofAuthorOf: request, tenant: city.tenant.id, secret: old, orOf: nil))
        await people.close()
        let outbox = try NoticeOutbox(configuration: city.addresses.role("bus311_mailer"))
        let held = try #require(try await outbox.take(lease: .seconds(60)))
        _ = try await outbox.settle(held.id, .sent, because: nil, address: old.hash(address: "ada@mail.example"))
        let standing = try await outbox.standing(of: rotated.hashes(address: "Ada@mail.example"), tenant: city.tenant.id)
        #expect(standing.isRefused && standing.sentToday == 1)
        let stranger = try await outbox.standing(of: rotated.hashes(address: "bob@mail.example"), tenant: city.tenant.id)
        #expect(!stranger.isRefused && stranger.sentToday == 0)
        let next = try LinkSecret(String(repeating: "n", count: 32))
        #expect(try await outbox.standing(of: next.hashes(address: "ada@mail.example"), tenant: city.tenant.id).isRefused)
        await outbox.close()
    }

    @Test("a person is found among thousands by an index, however the address is written")
    func personIndex() async throws {
        let request = try await submit("Ada@mail.example")
        try await run(
            """
            insert into reporters (request_id, tenant_id, email)
            select \(request) + n, \(city.tenant.id.rawValue), 'p' || n || '@mail.example' from generate_series(1, 5000) n;
            analyze reporters
            """)
        let tenant = city.tenant.id
        let (found, scans) = try await owner.run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                let tenant = Statement("own", "select set_config('bus311.tenant', '\(tenant.rawValue)', true)")
                _ = try session.execute(tenant)
                let found = try session.execute(
                    Statement(
                        "both_ways",
                        """
                        select array_length(array(select bus311_find_person('ADA@mail.example', 'test', 10)), 1)
                               + array_length(array(select bus311_person_requests(\(request), 10)), 1)
                        """))
                // What this very transaction did to the month's table; the others are empty.
                let scans = try session.execute(
                    Statement(
                        "scans",
                        """
                        select coalesce(sum(seq_scan), 0)::bigint, coalesce(sum(idx_scan), 0)::bigint
                        from pg_stat_xact_user_tables where relname = 'reporters_\(request.rawValue / 1_000_000_000)'
                        """))
                return (try found.first?.int32(0), try scans.map { (row) throws(PostgresError) in [try row.int64(0), try row.int64(1)] })
            }
        }
        #expect(found == 2)
        #expect(scans.first?.first == 0 && (scans.first?.last ?? 0) > 0, "\(scans)")
    }

    @Test("the mailer finds what is due by an index, whatever has been sent before")
    func index() async throws {
        let plan = try await owner.run { (session) throws(PostgresError) in
            try session.script("set enable_seqscan = off")
            return try session.execute(
                Statement(
                    "explain_notices",
                    """
                    explain (format text) select n.id from notices n
                    where n.state in ('waiting', 'sending') and n.next_attempt_at <= now()
                      and not exists (
                          select from notices e where e.request_id = n.request_id and e.id < n.id and e.state in ('waiting', 'sending'))
                    order by n.next_attempt_at, n.id limit 1 for update of n skip locked
                    """)
            ).map { (row) throws(PostgresError) in try row.text(0) }
        }
        let text = plan.joined(separator: "\n")
        #expect(text.contains("notices_waiting") && !text.contains("Seq Scan"), "\(text)")
    }
}
