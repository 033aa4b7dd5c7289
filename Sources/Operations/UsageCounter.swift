import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// Counts what happened since the last time, for the statistics of use. Several watches may do it: one works at a time, and where it
/// stands is kept with the counts.
public struct UsageCounter: ServiceLifecycle.Service {
    private let store: UsageStore
    private let logger: Logger

    private static let interval = Duration.seconds(30)

    /// - Parameter store: of the watch's role.
    public init(store: UsageStore, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    public func run() async throws {
        let counted = Gauge(label: "o311_statistics_counted_timestamp_seconds")
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    while !Task.isCancelled {
                        let step = try await store.step()
                        if let moment = step.countedTo { counted.record(moment.seconds) }
                        if step.isDone { break }
                    }
                } catch {
                    // PostgreSQL's own state is told by the watch beside this one.
                    logger.warning("statistics not counted, tried again", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
        await store.close()
    }
}
