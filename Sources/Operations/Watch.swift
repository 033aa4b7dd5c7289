import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// Looks after what nobody asks for: makes partitions ahead, measures what waits in the outbox.
public struct Watch: ServiceLifecycle.Service {
    private let partitions: PartitionKeeper
    private let outbox: OutboxStore
    private let logger: Logger
    private let report: @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void

    public init(
        partitions: PartitionKeeper, outbox: OutboxStore, logger: Logger,
        report: @escaping @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void
    ) {
        self.partitions = partitions
        self.outbox = outbox
        self.logger = logger
        self.report = report
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var nextPartitions = ContinuousClock.now
            while !Task.isCancelled {
                do {
                    if nextPartitions <= .now {
                        let made = try await partitions.makeAhead()
                        if made > 0 { logger.info("partitions made", metadata: ["count": "\(made)"]) }
                        _ = try await partitions.forgetInbox()
                        nextPartitions = .now.advanced(by: .seconds(3_600))
                    }
                    let resolved = try await partitions.resolveTokens()
                    if resolved > 0 { logger.info("tokens resolved by their time limit", metadata: ["count": "\(resolved)"]) }
                    try await measure()
                    report("postgresql", true, "")
                } catch {
                    report("postgresql", false, "\(error)")
                }
                try? await Task.sleep(for: .seconds(5))
            }
        }
        await partitions.close()
        await outbox.close()
    }

    private func measure() async throws {
        let backlogs = Dictionary(uniqueKeysWithValues: try await outbox.statistics().map { ($0.shard, $0) })
        let now = Timestamp.now
        for shard in 0..<Tenant.shardCount {
            let backlog = backlogs[shard]
            let labels = [("shard", String(shard))]
            Gauge(label: "o311_outbox_pending", dimensions: labels).record(backlog?.pending ?? 0)
            let age = backlog?.oldestCreatedAt.map { Double(now.microseconds - $0.microseconds) / 1e6 } ?? 0
            Gauge(label: "o311_outbox_oldest_age_seconds", dimensions: labels).record(max(0, age))
        }
        for (tenant, count) in try await outbox.parked() {
            Gauge(label: "o311_outbox_parked", dimensions: [("tenant", tenant.rawValue)]).record(count)
        }
        let backups = try await outbox.backups()
        if let last = backups.last { Gauge(label: "o311_backup_last_timestamp_seconds").record(last.seconds) }
        Gauge(label: "o311_backup_log_waiting_bytes").record(backups.waitingBytes)
        // A tenant without one goes back to nothing.
        for backlog in try await outbox.awaitedErasures() {
            let labels = [("tenant", backlog.tenant.rawValue)]
            Gauge(label: "o311_erasures_awaited", dimensions: labels).record(backlog.count)
            let age = backlog.oldest.map { Double(now.microseconds - $0.microseconds) / 1e6 } ?? 0
            Gauge(label: "o311_erasures_oldest_age_seconds", dimensions: labels).record(max(0, age))
        }
    }
}
