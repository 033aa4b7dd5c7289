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

    /// Messages in hand from all queues together, where each has its share: from one queue 1,000 at most, 64 at least.
    private static let inHand = 8_192
    /// Of one transaction: their requests are locked until all are judged.
    private static let maximumGroup = 256
    /// How many acknowledgements wait for those of older messages.
    private static let held = 512
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
        // Of all tenants, also those whose queues are not there yet: they come in with the same share.
        let prefetch = UInt16(clamping: min(1_000, max(64, Self.inHand / max(1, names.count))))
        let consumer = try Consumer(configuration: configuration, queues: first, prefetch: prefetch)
        do {
            let stream = try await consumer.start()
            queues.withLockedValue { $0.consumed = Set(first) }
            report("broker", true, "")
            connected()
            try await work(stream, consumer, queues, startedWith: names.count)
        } catch {
            await consumer.close()
            throw error
        }
        await consumer.close()
    }

    private func work(
        _ stream: AsyncThrowingStream<Delivery, any Error>, _ consumer: Consumer, _ queues: NIOLockedValueBox<Queues>,
        startedWith count: Int
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await judge(stream, consumer)
                throw CancellationError()
            }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: Self.interval)
                    // One that takes long holds up the words about the others no longer than this.
                    try await consumer.acknowledge([], holding: 0)
                    let names = queueNames()
                    // A share was measured for so many; for many more the connection begins anew, with smaller ones.
                    if names.count > 2 * max(Self.inHand / 1_000, count) {
                        logger.info("status queues begin anew with smaller shares", metadata: ["queues": "\(names.count)"])
                        throw CancellationError()
                    }
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

    /// Puts each message into its line; whoever works on a line takes everything that has come for it meanwhile.
    private func judge(_ stream: AsyncThrowingStream<Delivery, any Error>, _ consumer: Consumer) async throws {
        // Lines that are being worked on, and what has come for them.
        let lines = NIOLockedValueBox<[Line: StatusGroup]>([:])
        var senders = StatusSenders(directory, virtualHost: virtualHost)
        try await withThrowingDiscardingTaskGroup { tasks in
            for try await delivery in stream {
                let now = Timestamp.now
                switch StatusDelivery(delivery, from: senders.tenant(exchange: delivery.exchange), receivedAt: now) {
                case .message(let message, let tenant):
                    let line = Line(tenant: tenant.id, number: message.line(of: StatusInbox.lines))
                    let isIdle = lines.withLockedValue { lines in
                        let isIdle = lines[line] == nil
                        lines[line, default: StatusGroup(tenant: tenant)].add(message, delivery.tag)
                        return isIdle
                    }
                    if isIdle { tasks.addTask { try await work(on: line, of: lines, consumer) } }
                case .unattributable(let reason):
                    logger.warning(
                        "status message without a sender", metadata: ["exchange": "\(delivery.exchange)", "reason": "\(reason)"])
                    await note(delivery.body.count, delivery.properties.messageID, nil, "unattributable", since: now)
                    try await consumer.reject(delivery.tag, requeue: false)
                }
            }
            tasks.cancelAll()
        }
    }

    private func work(on line: Line, of lines: NIOLockedValueBox<[Line: StatusGroup]>, _ consumer: Consumer) async throws {
        while true {
            let group = lines.withLockedValue { lines -> StatusGroup? in
                let group = lines[line]?.takeFirst(Self.maximumGroup)
                if group == nil { lines[line] = nil }
                return group
            }
            guard let group else { return }
            try await settle(group, consumer)
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
                group.count(outcomes)
                var answered: [UInt64] = []
                answered.reserveCapacity(outcomes.count)
                for (index, (tag, outcome)) in zip(group.tags, outcomes).enumerated() {
                    // What the database itself refuses is for a person to see; the next ones flow.
                    if outcome == nil {
                        await note(0, group.messages[index].id, group.tenant.id, "failed", since: .now)
                        try await consumer.reject(tag, requeue: false)
                    } else {
                        answered.append(tag)
                    }
                }
                try await consumer.acknowledge(answered, holding: Self.held)
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
