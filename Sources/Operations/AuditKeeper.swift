import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// Looks after the audit: makes its months ahead, and seals each day that is over, with a line in the log that says the seal, because
/// the log leaves this machine's database.
public struct AuditKeeper: ServiceLifecycle.Service {
    private let store: AuditStore
    private let logger: Logger

    /// Often enough that a day's seal is there soon after midnight (UTC).
    private static let interval = Duration.seconds(600)

    /// - Parameter store: of the watch's role.
    public init(store: AuditStore, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    public func run() async throws {
        let sealed = Gauge(label: "o311_audit_sealed_timestamp_seconds")
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    let made = try await store.makePartitions()
                    if made > 0 { logger.info("partitions of the audit made", metadata: ["count": "\(made)"]) }
                    for seal in try await store.sealFinishedDays() {
                        logger.notice(
                            "audit sealed",
                            metadata: [
                                "day": "\(seal.day)", "rows": "\(seal.rows)", "digest": "\(AuditExport.hexadecimal(seal.digest))",
                            ])
                    }
                    sealed.record(Timestamp.now.seconds)
                } catch {
                    // PostgreSQL's own state is told by the watch beside this one.
                    logger.warning("audit not sealed", metadata: ["error": "\(error)"])
                }
                // A database that is away at the start must not cost a day's seal.
                try? await Task.sleep(for: Self.interval)
            }
        }
        await store.close()
    }
}
