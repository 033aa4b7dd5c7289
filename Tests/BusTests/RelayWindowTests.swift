import AMQP
import Open311
import Storage
import Testing

@testable import Bus

private func entry(_ seq: Int64, tenant: Int32 = 1, request: Int64? = nil, bytes: Int = 100) throws -> OutboxEntry {
    OutboxEntry(
        seq: seq, eventID: EventID(at: .now), tenant: TenantID(tenant), tenantKey: try TenantKey(validating: "valmont-7f3a9c"),
        virtualHost: "open311", requestID: request.map { ServiceRequestID(stored: $0) }, requestSequence: 1,
        type: "service_request.created.v1", body: [UInt8](repeating: 32, count: bytes), attempts: 0, createdAt: .now)
}

@Suite("The relay's window")
struct RelayWindowTests {
    @Test("never holds more than its bounds, and every event is settled once, whatever order answers come in")
    func holdsItsBounds() throws {
        for _ in 0..<50 {
            var window = RelayWindow(count: 20, bytes: 3_000, perTenant: 8)
            var database = Set<Int64>(1...200)
            var settledOnce = Set<Int64>()
            let all = try (1...200).map { try entry($0, tenant: Int32($0 % 3), request: 1_000 + $0 % 50, bytes: .random(in: 50...400)) }
            while !database.isEmpty {
                // The database gives what it still calls pending, again and again.
                window.add(all.filter { database.contains($0.seq) }.prefix(60).map { $0 })
                _ = window.next()
                let flying = window.inFlight.values
                #expect(flying.count <= 20)
                #expect(flying.reduce(0) { $0 + $1.body.count } <= 3_000 || flying.count == 1)
                #expect(Set(flying.compactMap(\.requestID)).count == flying.count, "two events of one request in flight")
                for seq in flying.map(\.seq).shuffled().prefix(.random(in: 0...10)) {
                    if Bool.random() {
                        #expect(window.confirmed(seq) != nil)
                        #expect(settledOnce.insert(seq).inserted, "confirmed twice")
                    } else {
                        _ = window.returned(seq)
                    }
                }
                if Int.random(in: 0..<10) == 0 { window.abandonAll() }
                let done = Array(window.unsettled)
                database.subtract(done)
                window.settled(done)
            }
            #expect(settledOnce.count == 200)
        }
    }

    @Test("a later event of a request waits for the earlier one")
    func keepsOrder() throws {
        var window = RelayWindow(count: 10, bytes: 10_000, perTenant: 10)
        window.add([try entry(1, request: 7), try entry(2, request: 7), try entry(3, request: 8)])
        #expect(window.next().map(\.seq) == [1, 3])
        #expect(window.next().isEmpty)
        _ = window.confirmed(1)
        #expect(window.next().map(\.seq) == [2])
    }

    @Test("what the database still calls pending after its confirm is not published again")
    func doesNotRepeat() throws {
        var window = RelayWindow(count: 10, bytes: 10_000, perTenant: 10)
        window.add([try entry(1)])
        _ = window.next()
        _ = window.confirmed(1)
        window.add([try entry(1)])
        #expect(window.next().isEmpty)
    }

    @Test("one tenant's backlog leaves room for another")
    func isFair() throws {
        var window = RelayWindow(count: 100, bytes: 1_000_000, perTenant: 50)
        window.add(try (1...500).map { try entry($0, tenant: 1) } + [try entry(501, tenant: 2)])
        let first = window.next()
        #expect(first.filter { $0.tenant == TenantID(1) }.count == 50)
        #expect(first.contains { $0.tenant == TenantID(2) })
    }

    @Test("forgets what waits of an erased request, but the word that it was erased and what others sent")
    func forgetsErased() throws {
        var window = RelayWindow(count: 10, bytes: 10_000, perTenant: 10)
        let word = OutboxEntry(
            seq: 4, eventID: EventID(at: .now), tenant: TenantID(1), tenantKey: try TenantKey(validating: "valmont-7f3a9c"),
            virtualHost: "open311", requestID: ServiceRequestID(stored: 7), requestSequence: 2, type: "service_request.erased.v1",
            body: [1], attempts: 0, createdAt: .now)
        window.add([try entry(1, request: 7), try entry(2, request: 7), try entry(3, request: 8), word])
        #expect(window.waitingRequests == [ServiceRequestID(stored: 7), ServiceRequestID(stored: 8)])
        window.forget(erased: [ServiceRequestID(stored: 7)])
        #expect(window.next().map(\.seq) == [3, 4])
        // What the database still gives is taken in anew.
        window.add([try entry(1, request: 9)])
        #expect(window.next().map(\.seq) == [1])
    }

    @Test("an event on its first way tells when its version ends only if it has a later one")
    func sunset() throws {
        let end = Timestamp(seconds: 1_827_000_000)
        for (type, wanted) in [
            ("service_request.created.v1", end), ("service_request.created.v2", nil), ("bus.ping.v1", nil),
            ("service_request.media_added.v1", nil),
        ] as [(String, Timestamp?)] {
            let entry = OutboxEntry(
                seq: 1, eventID: EventID(at: .now), tenant: TenantID(1), tenantKey: try TenantKey(validating: "valmont-7f3a9c"),
                virtualHost: "open311", requestID: nil, requestSequence: 1, type: type, body: [], attempts: 0, createdAt: .now,
                contractSunset: end)
            let headers = entry.publication(PublicationNames(entry, typePrefix: "org.bus311"), applicationID: "a").properties.headers
            #expect(headers.contains { $0.0 == "x-o311-sunset" } == (wanted != nil), "\(type)")
            #expect(headers.contains { $0.0 == "ce-type" && $0.1 == .string("org.bus311.\(type)") })
            #expect(headers.contains { $0.0 == "x-o311-schema" && $0.1 == .string(SchemaVersion.of(type)) })
        }
    }

    @Test("a lone event leaves before another tenant's backlog, and tenants take turns")
    func takesTurns() throws {
        var window = RelayWindow(count: 12, bytes: 1_000_000, perTenant: 10)
        window.add(try (1...100).map { try entry($0, tenant: 1) })
        #expect(window.next(atMost: 4).count == 4)
        window.add(try (101...200).map { try entry($0, tenant: 2) } + [try entry(201, tenant: 3)])
        let next = window.next()
        #expect(next.prefix(2).map(\.tenant) == [TenantID(2), TenantID(3)], "who has nothing in flight is first")
        #expect(
            next.filter { $0.tenant == TenantID(1) }.map(\.seq)
                == [5, 6, 7, 8].prefix(next.filter { $0.tenant == TenantID(1) }.count).map { $0 })
        #expect(next.count == 8)
    }

    @Test("whoever was served longest ago is next: an event that comes now and then passes a hundred backlogs")
    func seldomFirst() throws {
        var window = RelayWindow(count: 6, bytes: 1_000_000, perTenant: 50)
        for tenant in Int32(1)...100 { window.add(try (0..<5).map { try entry(Int64(tenant) * 10 + $0, tenant: tenant) }) }
        // Each of the hundred has had its turn; then the lone one comes.
        for _ in 0..<18 { for sent in window.next() { _ = window.confirmed(sent.seq) } }
        window.add([try entry(9_000, tenant: 999)])
        #expect(window.next().first?.tenant == TenantID(999))
        // It sends again at once: now it was served lately, and those who were not go first.
        for seq in window.inFlight.keys { _ = window.confirmed(seq) }
        window.add([try entry(9_001, tenant: 999)])
        #expect(!window.next().contains { $0.tenant == TenantID(999) })
    }

    @Test("while backlogs wait for their portion, whoever has none is served at once, past the part that they have")
    func portions() throws {
        let moment = Timestamp(microseconds: Timestamp.now.microseconds - 1_000_000)
        var window = RelayWindow(count: 100, bytes: 1_000_000, perTenant: 50)
        window.add(try (1...60).map { try entry($0, tenant: Int32(1 + $0 % 3)) })
        var turn = window.turn(atMost: 100, part: 12, backlogs: 8, bytes: 1_000_000, freshSince: moment)
        #expect(turn.entries.count == 8 && turn.ofBacklogs == 8 && turn.quiet.isEmpty)
        #expect(Set(turn.crowding) == [TenantID(1), TenantID(2), TenantID(3)])
        window.add([try entry(900, tenant: 9)])
        turn = window.turn(atMost: 100, part: 12, backlogs: 0, bytes: 1_000_000, freshSince: moment)
        #expect(turn.entries.map(\.seq) == [900] && turn.ofBacklogs == 0 && turn.quiet.map(\.tenant) == [TenantID(9)])
        turn = window.turn(atMost: 100, part: 12, backlogs: 8, bytes: 1_000_000, freshSince: moment)
        #expect(turn.ofBacklogs == 3, "the part of twelve holds for backlogs, what is in flight of others included")
        window.add([try entry(901, tenant: 10)])
        #expect(window.turn(atMost: 100, part: 12, backlogs: 8, bytes: 1_000_000, freshSince: moment).entries.map(\.seq) == [901])
        window.add([try entry(902, tenant: 11)])
        #expect(
            window.turn(atMost: 13, part: 12, backlogs: 8, bytes: 1_000_000, freshSince: moment).entries.isEmpty,
            "a slow link's limit holds for all")
        // One event in hand, but made long ago: the rest of its backlog is in the database.
        window.add([try entry(903, tenant: 12)])
        let later = Timestamp(microseconds: Timestamp.now.microseconds + 1_000_000)
        #expect(window.turn(atMost: 100, part: 12, backlogs: 0, bytes: 1_000_000, freshSince: later).entries.isEmpty)
    }

    @Test("what came back unsent leaves before the later events of its request")
    func cameBack() throws {
        var window = RelayWindow(count: 10, bytes: 10_000, perTenant: 10)
        window.add([try entry(1, request: 7), try entry(2, request: 7)])
        #expect(window.next().map(\.seq) == [1])
        let returned = window.returned(1)
        let back = try #require(returned)
        window.add([back])
        #expect(window.next().map(\.seq) == [1])
        #expect(window.next().isEmpty)
    }

    @Test("a narrower limit holds, whatever is in flight")
    func narrower() throws {
        var window = RelayWindow(count: 256, bytes: 1_000_000, perTenant: 50)
        window.add(try (1...300).map { try entry($0) })
        #expect(window.next(atMost: 32).count == 32)
        #expect(window.next(atMost: 16).isEmpty)
        #expect(window.inHand == [TenantID(1): 268])
    }

    @Test("what was settled while another session looked is not published again")
    func foundTooLate() throws {
        var window = RelayWindow(count: 10, bytes: 10_000, perTenant: 10)
        window.add([try entry(1)])
        _ = window.next()
        _ = window.confirmed(1)
        window.settled([1])
        window.addFound([try entry(1), try entry(2)])
        #expect(window.next().map(\.seq) == [2])
    }
}
