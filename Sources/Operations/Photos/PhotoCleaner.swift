import Crypto
import Foundation
import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// Cleans what citizens sent, one photo after the other, behind the requests and never in their way: the original becomes a copy
/// without metadata and a thumbnail, the CRM is told, the original goes.
public struct PhotoCleaner: ServiceLifecycle.Service {
    private let lane: Lane
    private let queue: PhotoQueue
    private let media: any MediaStore
    private let sandbox: PhotoSandbox
    private let sweep: PhotoSweep
    private let failPoint: MediaFailPoint?
    private let logger: Logger
    private let report: @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void

    /// Longer than the sandbox may take for all its steps, in seconds.
    private var lease: Int32 { lane == .plain ? 45 : 120 }
    /// Before a blur command that failed is tried again, in seconds.
    private static let blurPause: Int32 = 3
    /// Before a picture is tried again that took too long, perhaps because the machine was busy.
    private static let slowPause: Int32 = 10
    /// A photo that ended its cleaner so often is refused.
    private static let attempts: Int16 = 3
    private static let interval = Duration.milliseconds(500)
    private static let sweepAge = Duration.seconds(3_600)

    /// A city's slow blur command holds up no other city's photos.
    public enum Lane: Sendable {
        case plain
        /// Photos of tenants with a blur command.
        case blurred
    }

    /// - Parameters:
    ///   - maximumPixels: what is decoded at most.
    ///   - failPoint: where to die; for tests.
    public init(
        lane: Lane = .plain, queue: PhotoQueue, media: any MediaStore, maximumPixels: Int, failPoint: MediaFailPoint? = nil, logger: Logger,
        report: @escaping @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void
    ) {
        self.lane = lane
        self.queue = queue
        self.media = media
        var sandbox = PhotoSandbox()
        sandbox.limits.pixels = maximumPixels
        self.sandbox = sandbox
        sweep = PhotoSweep(queue: queue, media: media)
        self.failPoint = failPoint
        self.logger = logger
        self.report = report
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var nextSweep = ContinuousClock.now
            var probe = StoreProbe(media)
            while !Task.isCancelled {
                var worked = false
                guard PhotoSandbox.isInstalled else {
                    report("libvips", false, "prlimit, vips or vipsheader is missing: install libvips-tools")
                    try? await Task.sleep(for: .seconds(10))
                    continue
                }
                do {
                    worked = try await cleanNext()
                    report("libvips", true, "")
                    report("postgresql", true, "")
                    if try await probe.passes(worked: worked) { report(store, true, "") }
                    if lane == .plain, nextSweep <= .now {
                        let removed = try await sweep.remove(olderThan: Self.sweepAge).total
                        if removed > 0 { logger.info("orphaned files removed", metadata: ["count": "\(removed)"]) }
                        nextSweep = .now.advanced(by: Self.sweepAge)
                    }
                } catch let error as StorageError {
                    report("postgresql", false, "\(error)")
                } catch {
                    probe.failed()
                    report(store, false, "\(error)")
                    logger.error("photo not cleaned", metadata: ["error": "\(error)"])
                }
                if !worked { try? await Task.sleep(for: Self.interval) }
            }
        }
        await queue.close()
        await media.close()
    }

    /// Each lane tells of the store by a name of its own: the one that has nothing to do would take back what the other has met.
    private var store: String { lane == .plain ? "media" : "media-blurred" }

    /// - Returns: false when none waits.
    func cleanNext() async throws -> Bool {
        guard let photo = try await queue.take(lease: lease, isBlurred: lane == .blurred) else { return false }
        if case .announce(let verdict) = photo.task {
            _ = try await queue.announce(photo, verdict)
            return true
        }
        guard photo.attempts < Self.attempts else {
            try await settle(photo, .failure(.tooCostly), in: "")
            return true
        }
        do {
            let folder = try await media.workFolder()
            do {
                let outcome = try await clean(photo, in: folder)
                if case .failure(let refusal) = outcome, let pause = Self.pause(after: refusal), photo.attempts + 1 < Self.attempts {
                    try await queue.retry(photo, after: pause)
                } else {
                    try await settle(photo, outcome, in: folder)
                }
            } catch {
                await media.remove(workFolder: folder)
                throw error
            }
            await media.remove(workFolder: folder)
        } catch {
            // A fault of ours, not of the photo: it waits, and no attempt is counted.
            try? await queue.putBack(photo)
            throw error
        }
        return true
    }

    /// - Returns: in seconds; nil when another try would end the same.
    private static func pause(after refusal: PhotoRefusal) -> Int32? {
        switch refusal {
        case .hookFailed: blurPause
        case .tooSlow: slowPause
        default: nil
        }
    }

    private func clean(_ photo: WaitingPhoto, in folder: String) async throws -> Result<PhotoSandbox.Size, PhotoRefusal> {
        var sandbox = self.sandbox
        sandbox.limits.pixels = min(sandbox.limits.pixels, photo.policy.maximumPixels ?? sandbox.limits.pixels)
        // Of a photo that was shown, nothing but its copy is left.
        let original = try await media.localCopy(
            of: photo.redaction.map { .cleaned($0.cleaned, of: photo.tenant) } ?? photo.original, in: folder)
        do {
            if let redaction = photo.redaction {
                return .success(try await sandbox.redact(original, redaction.rectangles, into: folder))
            }
            let size = try await sandbox.clean(original, into: folder)
            return .success(photo.policy.blurCommand.isEmpty ? size : try await sandbox.blur(photo.policy.blurCommand, in: folder))
        } catch {
            // The tool says the same of a bad file and of a disk without room.
            guard media.hasRoom, FileManager.default.isReadableFile(atPath: original) else { throw MediaError.full }
            return .failure(error)
        }
    }

    /// Stores the copies in `folder` and has the photo point to them; then removes what they replace.
    private func settle(_ photo: WaitingPhoto, _ outcome: Result<PhotoSandbox.Size, PhotoRefusal>, in folder: String) async throws {
        let copies: PhotoQueue.Copies?
        let isSettled: Bool
        switch outcome {
        case .success(let size):
            (copies, isSettled) = try await queue.withCopies(.adding) {
                let copies = try await keepCopies(size, of: photo.tenant, in: folder)
                MediaFailPoint.afterCopies.reach(failPoint)
                return (copies, try await queue.settle(photo, .success(copies)))
            }
        case .failure(let refusal): (copies, isSettled) = (nil, try await queue.settle(photo, .failure(refusal)))
        }
        guard isSettled else { return }
        MediaFailPoint.afterSettle.reach(failPoint)
        count(photo, outcome, bytes: copies?.bytes ?? 0)
        try await media.remove(photo.original)
        if let redaction = photo.redaction { try await sweep.remove(copies: [redaction.cleaned, redaction.small], of: photo.tenant) }
    }

    private func keepCopies(_ size: PhotoSandbox.Size, of tenant: TenantKey, in folder: String) async throws -> PhotoQueue.Copies {
        let cleaned = try await keep("\(folder)/cleaned.jpg", of: tenant)
        let small = try await keep("\(folder)/small.jpg", of: tenant)
        return PhotoQueue.Copies(
            cleaned: cleaned.hash, bytes: cleaned.bytes, width: size.width, height: size.height, small: small.hash, smallBytes: small.bytes)
    }

    private func keep(_ path: String, of tenant: TenantKey) async throws -> (hash: [UInt8], bytes: Int) {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        var hash = SHA256()
        var bytes = 0
        while let some = try file.read(upToCount: 262_144), !some.isEmpty {
            hash.update(data: some)
            bytes += some.count
        }
        let digest = Array(hash.finalize())
        try await media.keep(fileAt: path, sha256: digest, as: .cleaned(digest, of: tenant))
        return (digest, bytes)
    }

    private func count(_ photo: WaitingPhoto, _ outcome: Result<PhotoSandbox.Size, PhotoRefusal>, bytes: Int) {
        switch outcome {
        case .success:
            Counter(label: "o311_media_bytes_total", dimensions: [("tenant", photo.tenant.rawValue)]).increment(by: bytes)
        case .failure(let refusal):
            Counter(label: "o311_media_rejected_total", dimensions: [("reason", refusal.rawValue)]).increment()
            logger.info(
                "photo refused",
                metadata: ["tenant": "\(photo.tenant)", "request": "\(photo.request)", "reason": "\(refusal.rawValue)"])
        }
    }
}
