import Logging
import ServiceLifecycle
import Storage

/// Removes what a killed gateway left half-received on its own disk. The cleaner does the same where it runs; a gateway may stand
/// on a machine without one.
public struct IncomingSweep: ServiceLifecycle.Service {
    private let media: any MediaStore
    private let logger: Logger
    private static let age = Duration.seconds(3_600)

    public init(media: any MediaStore, logger: Logger) {
        self.media = media
        self.logger = logger
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    let removed = try await media.sweepIncoming(olderThan: Self.age)
                    if removed > 0 { logger.info("half-received files removed", metadata: ["count": "\(removed)"]) }
                } catch {
                    logger.error("half-received files not removed", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: Self.age)
            }
        }
    }
}
