import AMQP
import Logging
import NIOConcurrencyHelpers
import Open311
import Storage

/// The status queues of one virtual host on one connection: what has come is judged in groups, answered, then acknowledged.
struct StatusLane: Sendable {
    let virtualHost: String
    let broker: AMQPConfiguration
    let directory: TenantDirectory
    let inbox: StatusInbox
    let audit: AuditRecorder?
    let logger: Logger
    let report: @Sendable (String, Bool, String) -> Void

    /// Messages in hand from one queue; each queue has its share.
    private static let prefetch: UInt16 = 128
    /// How long a queue that the broker refused is left out.
    private static let absence = Duration.seconds(15)
    private static let interval = Duration.seconds(1)

    /// Which queues are consumed, and which were refused until when.
    private struct Queues: Sendable {
        var consumed: Set<String> = []
        var refused: [String: ContinuousClock.Instant] = [:]

        mutating func wanted(of all: [String]) -> [String] {
            refused = refused.filter { $0.value > .now }
            return all.filter { !consumed.contains($0) && refused[$0] == nil }
        }
    }

    private var tenants: [Tenant] { directory.current.tenants.filter { $0.virtualHost == virtualHost } }

    /// What this virtual host's tenants publish into, and what they published with a key that leads nowhere.
    private func queueNames() -> [String] { tenants.map { Topology(tenant: $0.key).statusQueue } + [SharedTopology.strayQueue] }

    func run() async {
        let queues = NIOLockedValueBox(Queues())
        var backoff = Backoff(from: .seconds(1), to: .seconds(60))
        while !Task.isCancelled {
            do {
                try await consume(queues) { backoff.reset() }
            } catch let error as AMQPError {
                if let queue = error.queue {
                    // A tenant that is not on the broker yet, or was taken off it a moment ago: the others go on at once.
                    queues.withLockedValue { $0.refused[queue] = .now.advanced(by: Self.absence) }
                    logger.info("queue left out", metadata: ["queue": "\(queue)", "error": "\(error)"])
                    continue
                }
                report("broker", false, "\(error)")
                logger.warning("status queues lost", metadata: ["error": "\(error)"])
            } catch {
                logger.warning("status queues lost", metadata: ["error": "\(error)"])
            }
            if !Task.isCancelled { try? await Task.sleep(for: backoff.nextWithJitter()) }
        }
    }

    /// Until the connection is lost or the task is cancelled.
    private func consume(_ queues: NIOLockedValueBox<Queues>, connected: () -> Void) async throws {
        let names = queueNames()
        let first = queues.withLockedValue { queues -> [String] in
            queues.consumed = []
            return queues.wanted(of: names)
        }
        var configuration = broker
        configuration.virtualHost = virtualHost
        configuration.connectionName = "bus311 status-ingest"
        let consumer = try Consumer(configuration: configuration, queues: first, prefetch: Self.prefetch)
        do {
            let stream = try await consumer.start()
            queues.withLockedValue { $0.consumed = Set(first) }
            report("broker", true, "")
            connected()
            try await work(stream, consumer, queues)
        } catch {
            await consumer.close()
            throw error
        }
        await consumer.close()
    }

    private func work(
        _ stream: AsyncThrowingStream<Delivery, any Error>, _ consumer: Consumer, _ queues: NIOLockedValueBox<Queues>
    ) async throws {
        let arrived = NIOLockedValueBox<[Delivery]>([])
        let wakeUp = WakeUp()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for try await delivery in stream {
                    arrived.withLockedValue { $0.append(delivery) }
                    wakeUp.signal()
                }
                throw CancellationError()
            }
            group.addTask {
                while !Task.isCancelled {
                    let seen = wakeUp.generation
                    let deliveries = arrived.withLockedValue { deliveries in
                        defer { deliveries.removeAll(keepingCapacity: true) }
                        return deliveries
                    }
                    if deliveries.isEmpty { await wakeUp.wait(since: seen, atMost: Self.interval) }
                    try await take(deliveries, consumer)
                }
            }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.interval)
                    let names = queueNames()
                    for queue in queues.withLockedValue({ $0.wanted(of: names) }) {
                        try await consumer.add(queue: queue)
                        queues.withLockedValue { _ = $0.consumed.insert(queue) }
                    }
                }
            }
            defer { group.cancelAll() }
            do { try await group.next() } catch is CancellationError {}
        }
    }

    /// Messages that are judged one after the other: the same requests of the same tenant.
    private struct Line: Hashable {
        let tenant: TenantID
        let number: Int
    }

    /// Judges what has come, line by line, and acknowledges what is answered.
    private func take(_ deliveries: [Delivery], _ consumer: Consumer) async throws {
        guard !deliveries.isEmpty else { return }
        let known = Dictionary(tenants.map { (Topology(tenant: $0.key).statusExchange, $0) }, uniquingKeysWith: { first, _ in first })
        let now = Timestamp.now
        var groups: [Line: StatusGroup] = [:]
        for delivery in deliveries {
            switch StatusDelivery(delivery, tenants: known, receivedAt: now) {
            case .message(let message, let tenant):
                let line = Line(tenant: tenant.id, number: message.line(of: StatusInbox.lines))
                groups[line, default: StatusGroup(tenant: tenant)].add(message, delivery.tag)
            case .unattributable(let reason):
                logger.warning("status message without a sender", metadata: ["exchange": "\(delivery.exchange)", "reason": "\(reason)"])
                await note(delivery.body.count, delivery.properties.messageID, nil, "unattributable", since: now)
                try await consumer.reject(delivery.tag, requeue: false)
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for group in groups.values { tasks.addTask { try await settle(group, consumer) } }
            try await tasks.waitForAll()
        }
    }

    /// A message that goes to the dead letters. Its id is written down only where it has the form that ours have.
    private func note(_ bytes: Int, _ id: String?, _ tenant: TenantID?, _ result: String, since began: Timestamp) async {
        await audit?.record(
            AuditEntry(
                at: began, tenant: tenant, direction: .inAMQP, operation: "status_update", result: result,
                duration: .microseconds(Timestamp.now.microseconds - began.microseconds), bytesIn: bytes,
                correlationID: id.flatMap { StatusUpdateForm.isUpdateID($0) ? $0 : nil }))
    }

    private func settle(_ group: StatusGroup, _ consumer: Consumer) async throws {
        var backoff = Backoff(from: .milliseconds(250), to: .seconds(15))
        while true {
            do {
                let outcomes = try await inbox.take(group.messages, of: group.tenant)
                report("postgresql", true, "")
                for (index, (tag, outcome)) in zip(group.tags, outcomes).enumerated() {
                    group.count(outcome ?? "failed")
                    // What the database itself refuses is for a person to see; the next ones flow.
                    if outcome == nil {
                        await note(0, group.messages[index].id, group.tenant.id, "failed", since: .now)
                        try await consumer.reject(tag, requeue: false)
                    } else {
                        try await consumer.acknowledge(tag, multiple: false)
                    }
                }
                return
            } catch let error as StorageError {
                // Held in hand until the database is back: nothing is lost, and the broker waits.
                report("postgresql", false, "\(error)")
                logger.warning("status messages wait", metadata: ["count": "\(group.messages.count)", "error": "\(error)"])
                try await Task.sleep(for: backoff.nextWithJitter())
            }
        }
    }
}
