import Open311
import Storage

/// Makes the media store and the database agree: removes files that no row refers to, and tells of rows whose files are gone.
public struct PhotoSweep: Sendable {
    /// What was removed.
    public struct Removed: Sendable, Equatable {
        /// Half-received files and work that was broken off.
        public var incoming = 0
        public var originals = 0
        public var copies = 0

        public var total: Int { incoming + originals + copies }
    }

    /// What stands in the store, as the database has it.
    public struct Verified: Sendable, Equatable {
        public var files = 0
        public var missing = 0
        /// Requests with a photo whose files are not all there, or not of their size; a hundred at most.
        public var requests: [ServiceRequestID] = []
    }

    private let queue: PhotoQueue
    private let media: any MediaStore

    /// Looked up and removed together, while no copy is added.
    private static let batch = 50
    private static let maximumTold = 100

    public init(queue: PhotoQueue, media: any MediaStore) {
        self.queue = queue
        self.media = media
    }

    /// Removes what no row refers to: what a killed process left behind, and what was revoked.
    ///
    /// - Parameters:
    ///   - age: what is younger stays, because a gateway may be about to record its request.
    ///   - progress: told of each page.
    public func remove(olderThan age: Duration, progress: @Sendable (Removed) -> Void = { _ in }) async throws -> Removed {
        var removed = Removed()
        removed.incoming = try await media.sweepIncoming(olderThan: age)
        for tenant in try await media.tenants() {
            for kind in MediaKey.Kind.allCases {
                var start: String?
                repeat {
                    let page = try await media.page(of: kind, tenant: tenant, olderThan: age, after: start)
                    for start in stride(from: 0, to: page.names.count, by: Self.batch) {
                        let some = Array(page.names[start..<min(page.names.count, start + Self.batch)])
                        let count = try await remove(unknownOf: some, kind, tenant)
                        if kind == .original { removed.originals += count } else { removed.copies += count }
                    }
                    progress(removed)
                    start = page.next
                } while start != nil
            }
        }
        return removed
    }

    /// Removes those of a tenant's copies that no photo shows.
    func remove(copies hashes: [[UInt8]], of tenant: TenantKey) async throws {
        _ = try await remove(unknownOf: hashes.map { MediaKey.cleaned($0, of: tenant).name }, .cleaned, tenant)
    }

    private func remove(unknownOf names: [String], _ kind: MediaKey.Kind, _ tenant: TenantKey) async throws -> Int {
        guard kind == .cleaned else { return try await removeUnknown(names, kind, tenant) }
        return try await queue.withCopies(.removing) { try await removeUnknown(names, kind, tenant) }
    }

    private func removeUnknown(_ names: [String], _ kind: MediaKey.Kind, _ tenant: TenantKey) async throws -> Int {
        let unknown = try await queue.unknown(kind, names, of: tenant)
        for name in unknown { try await media.remove(MediaKey(tenant: tenant, kind: kind, name: name)) }
        return unknown.count
    }

    /// Looks for every file that a row refers to.
    public func verify(progress: @Sendable (Verified) -> Void = { _ in }) async throws -> Verified {
        var verified = Verified()
        var last: Int64 = 0
        while true {
            let page = try await queue.files(after: last)
            guard let end = page.last?.photo else { return verified }
            for file in page {
                verified.files += 1
                guard try await media.size(of: file.key) != file.bytes else { continue }
                // It may have been cleaned, revoked or replaced since it was listed.
                guard try await queue.files(after: file.photo - 1, limit: 1).contains(file) else { continue }
                verified.missing += 1
                if verified.requests.count < Self.maximumTold, verified.requests.last != file.request {
                    verified.requests.append(file.request)
                }
            }
            progress(verified)
            last = end
        }
    }
}
