import Crypto
import Curl
import Foundation
import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// Copies the photos behind citizens' links for tenants that want it, one after the other, behind the requests: what comes is cleaned
/// like an upload and shown in place of the link, so that no CRM and no app follows a stranger's link.
public struct LinkCopier: ServiceLifecycle.Service {
    private let queue: PhotoQueue
    private let media: any MediaStore
    private let fetch: LinkFetch
    private let maximumBytes: Int
    private let logger: Logger
    private let report: @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void

    /// Longer than four answers may take.
    private static let lease: Int32 = 180
    private static let interval = Duration.seconds(1)
    /// How long to wait after each try that may succeed later; after the last the link is given up.
    static let pauses: [Int32] = [2, 10, 60, 600]

    /// - Parameters:
    ///   - maximumBytes: of a photo, where its tenant says no less.
    ///   - allowed: private addresses that links may lead to all the same.
    ///   - authorities: PEM file of the authorities to trust instead of the system's.
    public init(
        queue: PhotoQueue, media: any MediaStore, maximumBytes: Int, allowed: Set<LinkGuard.Endpoint>, authorities: String?,
        logger: Logger, report: @escaping @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void
    ) throws {
        self.queue = queue
        self.media = media
        self.maximumBytes = maximumBytes
        fetch = LinkFetch(
            client: try HTTPClient(name: "bus311-links", certificateAuthorityFile: authorities), linkGuard: LinkGuard(allowed: allowed))
        self.logger = logger
        self.report = report
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                var worked = false
                do {
                    worked = try await copyNext()
                    report("links", true, "")
                } catch {
                    report("links", false, "\(error)")
                    logger.error("link not copied", metadata: ["error": "\(error)"])
                }
                if !worked { try? await Task.sleep(for: Self.interval) }
            }
        }
        await fetch.client.close()
        await queue.close()
        await media.close()
    }

    /// - Returns: false when none waits.
    func copyNext() async throws -> Bool {
        guard let photo = try await queue.takeLink(lease: Self.lease) else { return false }
        do {
            let folder = try await media.workFolder()
            let outcome: LinkFetch.Outcome
            do { outcome = try await copy(photo, in: folder) } catch {
                await media.remove(workFolder: folder)
                throw error
            }
            await media.remove(workFolder: folder)
            try await settle(photo, outcome)
        } catch {
            // A fault of ours, not of the link: it waits, and no attempt is counted.
            try? await queue.putBack(photo)
            throw error
        }
        return true
    }

    private func copy(_ photo: WaitingPhoto, in folder: String) async throws -> LinkFetch.Outcome {
        // The tenant may have changed its mind since.
        guard let url = photo.sourceURL, photo.policy.fetchesLinks else { return .refused(.linkNotAllowed) }
        let path = folder + "/fetched"
        let outcome = await fetch.fetch(
            url, allowsCleartext: photo.policy.fetchesPlainHTTP, to: path,
            maximumBytes: min(maximumBytes, photo.policy.maximumBytes ?? .max))
        guard outcome == .fetched else { return outcome }
        let file = try FetchedFile(path)
        guard let type = file.type else { return .refused(.unreadable) }
        guard photo.policy.kinds.contains(type) else { return .refused(.kindNotTaken) }
        try await media.keep(fileAt: path, sha256: file.sha256, as: photo.original)
        // From here on it is a photo like any other.
        try await queue.received(
            photo, SubmittedPhoto(token: photo.token, type: type, bytes: file.bytes, sha256: file.sha256, metadata: file.metadata(type)))
        return .fetched
    }

    private func settle(_ photo: WaitingPhoto, _ outcome: LinkFetch.Outcome) async throws {
        switch outcome {
        case .fetched: Counter(label: "o311_media_links_total", dimensions: [("outcome", "fetched")]).increment()
        case .later where photo.attempts < Self.pauses.count: try await queue.retry(photo, after: Self.pauses[Int(photo.attempts)])
        case .later: try await refuse(photo, .linkUnreachable)
        case .refused(let refusal): try await refuse(photo, refusal)
        }
    }

    private func refuse(_ photo: WaitingPhoto, _ refusal: PhotoRefusal) async throws {
        guard try await queue.settle(photo, .failure(refusal)) else { return }
        Counter(label: "o311_media_links_total", dimensions: [("outcome", refusal.rawValue)]).increment()
        logger.info(
            "link not copied",
            metadata: ["tenant": "\(photo.tenant)", "request": "\(photo.request)", "reason": "\(refusal.rawValue)"])
    }
}

/// What came from a link, looked at a few bytes at a time.
private struct FetchedFile {
    let bytes: Int
    let sha256: [UInt8]
    /// By its content; nil when it is no photo that anybody takes.
    let type: PhotoType?
    private let front: [UInt8]
    private let end: [UInt8]

    init(_ path: String) throws {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        var hash = SHA256()
        var bytes = 0
        while let some = try file.read(upToCount: 262_144), !some.isEmpty {
            hash.update(data: some)
            bytes += some.count
        }
        let edge = PhotoMetadata.readableBytes
        try file.seek(toOffset: 0)
        front = Array(try file.read(upToCount: edge) ?? Data())
        try file.seek(toOffset: UInt64(max(front.count, bytes - edge)))
        end = Array(try file.read(upToCount: edge) ?? Data())
        try file.close()
        self.bytes = bytes
        sha256 = Array(hash.finalize())
        type = PhotoType(head: front)
    }

    func metadata(_ type: PhotoType) -> PhotoMetadata { PhotoMetadata(head: type == .jpeg ? front : front + end, type: type) }
}
