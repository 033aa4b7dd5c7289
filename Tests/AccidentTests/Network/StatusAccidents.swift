import AMQP
import Bus
import Foundation
import Logging
import Open311
import PrivateServers
import Storage
import TestSupport
import Testing

/// F13 to F16 of the fault matrix, for the consumer of statuses.
enum StatusAccidents {
    static let all: [(String, NetworkAccident)] = [("status-cut", cut), ("status-slow", slow)]

    /// F13, F14 and F15 one after the other: each status is applied once and answered once.
    private static func cut(_ scene: NetworkScene) async throws {
        let crm = try await StatusSender(scene)
        scene.proxy.set(.halfOpen)
        try await crm.send(20)
        let start = ContinuousClock.now
        try await scene.withStatusConsumer({ $0.handshakeTimeout = .seconds(2) }) {
            try await scene.wait(10, for: "the handshake is given up") {
                scene.reports(since: start).contains { !$0.isOK && $0.detail.contains("no answer in time") }
            }
            scene.proxy.set(.init())
            try await crm.waitForReceipts(40)

            let dead = ContinuousClock.now
            scene.proxy.set(.halfOpen)
            try await crm.send(20)
            try await scene.wait(20, for: "the dead link is noticed") { scene.reports(since: dead).contains { !$0.isOK } }
            if let report = scene.reports(since: dead).first(where: { !$0.isOK }) {
                print("status-cut: noticed after \(dead.duration(to: report.at)), heartbeat 2 s")
                #expect(dead.duration(to: report.at) < .seconds(10), "\(report.detail)")
            }
            scene.proxy.set(.init())
            try await crm.waitForReceipts(60)

            scene.proxy.set(.with { $0.resetAfter = 200...8_000 })
            scene.proxy.cut(byReset: true)
            for _ in 0..<10 {
                try await crm.send(8)
                try await Task.sleep(for: .milliseconds(400))
            }
            try await scene.wait(30, for: "several resets") { scene.proxy.counts.resets >= 3 }
            scene.proxy.set(.init())
            try await crm.waitForReceipts(60)
        }
        print("status-cut: \(scene.proxy.counts.resets) resets")
        await crm.close()
    }

    /// F16: what waits in the queue comes down the slow link before the answers to later requests; that is no reason to reconnect.
    private static func slow(_ scene: NetworkScene) async throws {
        let crm = try await StatusSender(scene)
        try await crm.send(48, notes: 800)
        scene.proxy.set(.slow)
        try await scene.withStatusConsumer({ $0.heartbeat = 10 }) {
            try await crm.waitForReceipts(120)
        }
        #expect(scene.proxy.counts.accepted == 1, "\(scene.proxy.counts.accepted) connections")
        await crm.close()
    }
}

/// The CRM that sends statuses past the proxy, and knows which must be answered.
private final class StatusSender {
    private let scene: NetworkScene
    private let publisher: ConfirmedPublisher
    private let outbox: OutboxStore
    private let requests: [ServiceRequestID]
    private var sent = 0

    init(_ scene: NetworkScene) async throws {
        self.scene = scene
        try await scene.record(10)
        requests = Array(scene.recordedIDs)
        let issued = try await scene.broker.provisioner.issueCredential(BusTenant(scene.tenant), slot: .a)
        publisher = try ConfirmedPublisher(
            configuration: AMQPConfiguration(
                host: "127.0.0.1", port: UInt16(scene.broker.server.ports.amqp), virtualHost: scene.tenant.virtualHost, user: issued.user,
                password: issued.password.clearText))
        try await publisher.connect()
        outbox = try OutboxStore(configuration: scene.addresses.role("bus311_relay"))
    }

    func send(_ count: Int, notes: Int = 0) async throws {
        let padding = String(repeating: "n", count: notes)
        let batch = (sent..<sent + count).map { number in
            Publication(
                tag: Int64(number), exchange: scene.topology.statusExchange, routingKey: "\(scene.tenant.key).status_update.v1",
                body: Array(
                    #"{"service_request_id":"\#(requests[number % requests.count])","status_notes":"note \#(number) \#(padding)"}"#.utf8),
                properties: MessageProperties(messageID: "u-\(number)"))
        }
        let outcomes = try await publisher.exchange(batch, minimum: count, wait: .seconds(10))
        guard outcomes.filter({ $0.outcome == .confirmed }).count == count else {
            throw NetworkScene.Failed(what: "\(scene.name): statuses not taken: \(outcomes)")
        }
        sent += count
    }

    /// Until each has its receipt; then none has two.
    func waitForReceipts(_ seconds: Int) async throws {
        var answered: [String] = []
        try await scene.wait(seconds, for: "every receipt: \(answered.count) of \(sent)") {
            answered = try await receipts()
            return Set(answered).count >= sent
        }
        #expect(answered.count == sent, "\(scene.name): \(answered.count) receipts of \(sent) statuses")
    }

    private func receipts() async throws -> [String] {
        guard let leadership = try await outbox.lead(scene.tenant.shard) else { return [] }
        let pending = try await leadership.pending(after: 0, limit: 2_000, excludingTenants: [])
        await leadership.release()
        return pending.filter { $0.requestID == nil && $0.type.contains("accepted") }.compactMap(\.correlationID)
    }

    func close() async {
        await publisher.close()
        await outbox.close()
    }
}

extension NetworkScene {
    fileprivate func withStatusConsumer(_ change: (inout AMQPConfiguration) -> Void, _ body: () async throws -> Void) async throws {
        var configuration = try login(.statusIngest)
        change(&configuration)
        let directory = try TenantDirectory(configuration: addresses.role("bus311_status"), logger: logger)
        try await directory.load()
        let inbox = try StatusInbox(configuration: addresses.role("bus311_status"), origin: Fixtures.origin)
        let consumer = StatusConsumer(broker: configuration, directory: directory, inbox: inbox, logger: logger, report: report)
        let running = Task { try await consumer.run() }
        let outcome: Result<Void, any Error>
        do {
            try await body()
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        running.cancel()
        try? await running.value
        try outcome.get()
    }
}
