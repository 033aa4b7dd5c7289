import Foundation
import Open311
import Postgres
import Storage
import TestSupport
import Testing

@Suite("Statuses over AMQP")
struct StatusInboxTests {
    private let city: City
    private let inbox: StatusInbox
    private let outbox: OutboxStore

    init() async throws {
        let addresses = try await TestDatabase.shared.fresh()
        city = try await City(addresses, key: "valmont-7f3a9c", jurisdiction: "valmont.example")
        inbox = try StatusInbox(configuration: addresses.role("bus311_status"), origin: Fixtures.origin)
        outbox = try OutboxStore(configuration: addresses.role("bus311_relay"))
    }

    private func message(_ id: String?, _ request: ServiceRequestID, _ status: String?, redelivered: Bool = false) throws -> StatusMessage {
        let update = StatusUpdate(
            id: id ?? "", occurredAt: .now, namesItsMoment: false,
            status: try status.map { try StatusUpdate.RequestedStatus(validating: $0) }, statusNotes: "n", agencyResponsible: nil,
            expectedAt: nil, serviceNotice: nil, externalReference: nil)
        return StatusMessage(
            id: id, content: .update(update, .number(request)), routingKey: "k", body: Array("\(request) \(status ?? "-")".utf8),
            isRedelivered: redelivered)
    }

    private func receipts() async throws -> [OutboxEntry] {
        let leadership = try #require(try await outbox.lead(city.tenant.shard))
        let pending = try await leadership.pending(after: 0, limit: 1_000, excludingTenants: [])
        await leadership.release()
        return pending.filter { $0.requestID == nil }
    }

    @Test("an update is applied, kept and answered together; given out again it is answered once, repeated it is answered the same")
    func answeredOnce() async throws {
        let request = try await city.recorder.record(try Fixtures.submission(for: city.tenant), tenant: city.tenant).id
        #expect(try await inbox.take([try message("u-1", request, "closed")], of: city.tenant) == ["applied"])
        #expect(try await city.reader.find([request], of: city.tenant.id).first?.status.publicStatus == .closed)
        #expect(try await inbox.take([try message("u-1", request, "closed", redelivered: true)], of: city.tenant) == ["repeated"])
        #expect(try await receipts().count == 1)
        #expect(try await inbox.take([try message("u-1", request, "closed")], of: city.tenant) == ["repeated"])
        let sent = try await receipts()
        #expect(sent.count == 2 && Set(sent.map(\.eventID)).count == 1 && sent.allSatisfy { $0.correlationID == "u-1" })
        #expect(sent.first?.routingKey == "valmont-7f3a9c.status_update.accepted")
    }

    @Test("a group is judged in its order, each message by the same rules as REST")
    func groups() async throws {
        let request = try await city.recorder.record(try Fixtures.submission(for: city.tenant), tenant: city.tenant).id
        let unknown = ServiceRequestID(stored: request.rawValue + 1)
        let outcomes = try await inbox.take(
            [
                try message("u-1", request, "IN_PROCESS"), try message("u-2", unknown, "closed"), try message("u-3", request, "ARCHIVED"),
                try message("u-4", request, "IN_PROCESS"), try message("u-1", request, "IN_PROCESS"), try message("u-1", request, "closed"),
                StatusMessage(id: nil, content: .fault(.invalidUpdateID, about: nil), routingKey: "k", body: [], isRedelivered: false),
            ], of: city.tenant)
        #expect(outcomes == ["applied", "refused", "applied", "refused", "repeated", "refused", "refused"])
        #expect(try await receipts().count == 7)
        #expect(try await city.reader.find([request], of: city.tenant.id).first?.status == DetailedStatus(.archived))
    }

    @Test("another tenant's request is unknown")
    func otherTenant() async throws {
        let other = try await City(city.addresses, key: "orbe-1b2c3d", jurisdiction: "orbe.example")
        let theirs = try await other.recorder.record(try Fixtures.submission(for: other.tenant), tenant: other.tenant).id
        #expect(try await inbox.take([try message("u-1", theirs, "closed")], of: city.tenant) == ["refused"])
        #expect(try await other.reader.find([theirs], of: other.tenant.id).first?.status == DetailedStatus(.received))
    }

    @Test("what the database refuses fails alone; two processes that take the same messages give the same answers")
    func failsAlone() async throws {
        let request = try await city.recorder.record(try Fixtures.submission(for: city.tenant), tenant: city.tenant).id
        // The reader of bodies takes zero bytes out, so only a bug would send one.
        let bad = try message("u-\u{0}", request, "closed")
        let good = try message("u-2", request, "IN_PROCESS")
        #expect(try await inbox.take([bad, good], of: city.tenant) == [nil, "applied"])
        let messages = try (0..<30).map { try message("p-\($0)", request, nil) }
        let second = try StatusInbox(configuration: city.addresses.role("bus311_status"), origin: Fixtures.origin)
        async let first = inbox.take(messages, of: city.tenant)
        async let other = second.take(messages, of: city.tenant)
        let outcomes = try await (first, other)
        for (left, right) in zip(outcomes.0, outcomes.1) { #expect(Set([left, right]) == ["applied", "repeated"]) }
    }
}
