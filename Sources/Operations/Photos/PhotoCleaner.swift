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
    private let queue: PhotoQueue
    private let media: any MediaStore
    private let sandbox: PhotoSandbox
    private let logger: Logger
    private let report: @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void

    /// Longer than the sandbox may take for all its steps.
    private static let lease: Int32 = 45
    /// A photo that ended its cleaner so often is refused.
    private static let attempts: Int16 = 3
    private static let interval = Duration.milliseconds(500)
    private static let sweepAge = Duration.seconds(3_600)

    /// - Parameter maximumPixels: what is decoded at most.
    public init(
        queue: PhotoQueue, media: any MediaStore, maximumPixels: Int, logger: Logger,
        report: @escaping @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void
    ) {
        self.queue = queue
        self.media = media
        var sandbox = PhotoSandbox()
        sandbox.limits.pixels = maximumPixels
        self.sandbox = sandbox
        self.logger = logger
        self.report = report
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var nextSweep = ContinuousClock.now
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
                    report("media", true, "")
                    if nextSweep <= .now {
                        try await sweep(olderThan: Self.sweepAge)
                        nextSweep = .now.advanced(by: Self.sweepAge)
                    }
                } catch let error as StorageError {
                    report("postgresql", false, "\(error)")
                } catch {
                    report("media", false, "\(error)")
                    logger.error("photo not cleaned", metadata: ["error": "\(error)"])
                }
                if !worked { try? await Task.sleep(for: Self.interval) }
            }
        }
        await queue.close()
    }

    /// - Returns: false when none waits.
    func cleanNext() async throws -> Bool {
        guard let photo = try await queue.take(lease: Self.lease) else { return false }
        // Of a photo that was shown, nothing but its copy is left.
        let original = photo.redaction.map { MediaKey.cleaned($0.cleaned, of: photo.tenant) } ?? .original(photo.token, of: photo.tenant)
        guard photo.attempts < Self.attempts else {
            try await settle(photo, .failure(.tooCostly))
            return true
        }
        do {
            let folder = try await media.workFolder()
            do {
                let path = try await media.localCopy(of: original, in: folder)
                try await settle(photo, try await clean(photo, path, folder))
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

    private func clean(
        _ photo: WaitingPhoto, _ original: String, _ folder: String
    ) async throws -> Result<PhotoQueue.Copies, PhotoRefusal> {
        let size: PhotoSandbox.Size
        var sandbox = self.sandbox
        sandbox.limits.pixels = min(sandbox.limits.pixels, photo.policy.maximumPixels ?? sandbox.limits.pixels)
        do {
            if let redaction = photo.redaction {
                size = try await sandbox.redact(original, redaction.rectangles, into: folder)
            } else {
                size = try await sandbox.clean(original, into: folder)
            }
        } catch {
            // The tool says the same of a bad file and of a disk without room.
            guard media.hasRoom, FileManager.default.isReadableFile(atPath: original) else { throw MediaError.full }
            return .failure(error)
        }
        let cleaned = try await keep("\(folder)/cleaned.jpg", of: photo.tenant)
        let small = try await keep("\(folder)/small.jpg", of: photo.tenant)
        return .success(
            PhotoQueue.Copies(
                cleaned: cleaned.hash, bytes: cleaned.bytes, width: size.width, height: size.height, small: small.hash,
                smallBytes: small.bytes))
    }

    private func keep(_ path: String, of tenant: TenantKey) async throws -> (hash: [UInt8], bytes: Int) {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let hash = Array(SHA256.hash(data: data))
        try await media.keep(fileAt: path, sha256: hash, as: .cleaned(hash, of: tenant))
        return (hash, data.count)
    }

    private func settle(_ photo: WaitingPhoto, _ outcome: Result<PhotoQueue.Copies, PhotoRefusal>) async throws {
        guard try await queue.settle(photo, outcome) else { return }
        try await media.remove(.original(photo.token, of: photo.tenant))
        if let redaction = photo.redaction { try await forget([redaction.cleaned, redaction.small], of: photo.tenant) }
        switch outcome {
        case .success(let copies):
            Counter(label: "o311_media_bytes_total", dimensions: [("tenant", photo.tenant.rawValue)]).increment(by: copies.bytes)
        case .failure(let refusal):
            Counter(label: "o311_media_rejected_total", dimensions: [("reason", refusal.rawValue)]).increment()
            logger.info(
                "photo refused",
                metadata: ["tenant": "\(photo.tenant)", "request": "\(photo.request)", "reason": "\(refusal.rawValue)"])
        }
    }

    /// Removes copies that were shown, unless another photo of the tenant is the same.
    private func forget(_ hashes: [[UInt8]], of tenant: TenantKey) async throws {
        let names = hashes.map { MediaKey.cleaned($0, of: tenant).name }
        for name in try await queue.unknown(.cleaned, names, of: tenant) {
            try await media.remove(MediaKey(tenant: tenant, kind: .cleaned, name: name))
        }
    }

    /// Removes files that no row refers to: what a killed process left behind, and what was revoked.
    func sweep(olderThan age: Duration) async throws {
        var removed = try await media.sweepIncoming(olderThan: age)
        for tenant in try await media.tenants() {
            for kind in MediaKey.Kind.allCases {
                var start: String?
                repeat {
                    let page = try await media.page(of: kind, tenant: tenant, olderThan: age, after: start)
                    for start in stride(from: 0, to: page.names.count, by: 500) {
                        let some = Array(page.names[start..<min(page.names.count, start + 500)])
                        let unknown = try await queue.unknown(kind, some, of: tenant)
                        for name in unknown { try await media.remove(MediaKey(tenant: tenant, kind: kind, name: name)) }
                        removed += unknown.count
                    }
                    start = page.next
                } while start != nil
            }
        }
        if removed > 0 { logger.info("orphaned files removed", metadata: ["count": "\(removed)"]) }
    }
}
