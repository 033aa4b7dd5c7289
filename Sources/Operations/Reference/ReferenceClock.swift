import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// Publishes reference data when their moment comes, and forgets versions that nobody needs. Several may run at once.
public struct ReferenceClock: ServiceLifecycle.Service {
    private let store: ReferenceStore
    private let logger: Logger
    private let report: @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void

    private static let interval = Duration.seconds(1)

    /// - Parameter store: of the watch role.
    public init(
        store: ReferenceStore, logger: Logger, report: @escaping @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void
    ) {
        self.store = store
        self.logger = logger
        self.report = report
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var nextForgetting = ContinuousClock.now
            while !Task.isCancelled {
                do throws(StorageError) {
                    for publication in try await store.publishDue() {
                        let kind = publication.kind?.rawValue ?? "other"
                        Counter(label: "o311_reference_due_total", dimensions: [("kind", kind)]).increment()
                        logger.info(
                            "reference data published at their moment",
                            metadata: [
                                "tenant_number": "\(publication.tenant.rawValue)", "kind": "\(kind)", "version": "\(publication.number)",
                            ])
                    }
                    if nextForgetting <= .now {
                        nextForgetting = .now.advanced(by: .seconds(3_600))
                        let forgotten = try await store.forgetOld()
                        if forgotten > 0 { logger.info("old reference data forgotten", metadata: ["versions": "\(forgotten)"]) }
                    }
                    report("reference-data", true, "")
                } catch {
                    report("reference-data", false, "\(error)")
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
        await store.close()
    }
}
