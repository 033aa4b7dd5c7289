import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// Runs retention once a day, after the hour given; what a run that was cut off left is gone on with at once. Several may watch: the
/// database lets one at a time.
public struct RetentionKeeper: ServiceLifecycle.Service {
    private let store: RetentionStore
    private let work: RetentionRun
    private let hour: Int
    private let logger: Logger
    private let now: @Sendable () -> Timestamp

    private static let interval = Duration.seconds(300)

    /// - Parameters:
    ///   - store: of the watch's role.
    ///   - hour: UTC, 0 to 23.
    public init(
        store: RetentionStore, origin: ServiceRequestEvent.Origin, hour: Int, logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { .now }
    ) {
        self.store = store
        work = RetentionRun(store: store, origin: origin)
        self.hour = hour
        self.logger = logger
        self.now = now
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await runIfDue()
                } catch let refusal as RetentionError where !refusal.isRetriable {
                    logger.error("retention refused", metadata: ["why": "\(refusal)", "see": "docs/operators/retention.md"])
                } catch {
                    // PostgreSQL's own state is told by the watch beside this one.
                    logger.warning("retention not run", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
        await store.close()
    }

    /// - Returns: whether it ran.
    @discardableResult
    public func runIfDue() async throws -> Bool {
        let moment = now()
        if let last = try await store.lastRun() {
            Gauge(label: "o311_retention_last_run_timestamp_seconds").record(last.beganAt.seconds)
            guard Self.isDue(at: moment, last: last.beganAt, isOver: last.isOver, hour: hour) else { return false }
        }
        guard let report = try await work(at: moment, by: "watch") else { return false }
        Gauge(label: "o311_retention_last_run_timestamp_seconds").record(moment.seconds)
        for step in report.steps {
            Counter(label: "o311_retention_rows_total", dimensions: [("relation", step.relation), ("action", step.action)])
                .increment(by: step.rows)
        }
        logger.notice(
            "retention run",
            metadata: [
                "run": "\(report.number)", "rows": "\(report.steps.map(\.rows).reduce(0, +))", "left": "\(report.left.count)",
                // The log leaves this machine's database: the ledger can be held against it.
                "ledger": "\(AuditExport.hexadecimal(report.digest ?? []))",
            ])
        return true
    }

    /// A run of today is enough, unless it was cut off; one that was cut off yesterday does not wait for the hour.
    static func isDue(at moment: Timestamp, last: Timestamp, isOver: Bool, hour: Int) -> Bool {
        guard isOver else { return true }
        let (today, before) = (moment.seconds / 86_400, last.seconds / 86_400)
        return today > before && (moment.civil.hour >= hour || today > before + 1)
    }
}
