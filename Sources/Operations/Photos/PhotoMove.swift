import Crypto
import Foundation
import Open311
import Storage

/// Brings every photo from one store to another, file by file. What was interrupted goes on where it stopped: a file is removed
/// from the first store when the second has it.
public struct PhotoMove: Sendable {
    private let source: any MediaStore
    private let target: any MediaStore

    public init(from source: any MediaStore, to target: any MediaStore) {
        self.source = source
        self.target = target
    }

    /// - Parameters:
    ///   - keeps: the first store keeps its files; what the second has already is passed over.
    ///   - progress: told of each page, with the number of files that were copied.
    /// - Returns: how many were copied.
    public func run(keeps: Bool, progress: @Sendable (Int) -> Void = { _ in }) async throws -> Int {
        var copied = 0
        for tenant in try await source.tenants() {
            for kind in MediaKey.Kind.allCases {
                var start: String?
                repeat {
                    let page = try await source.page(of: kind, tenant: tenant, olderThan: .zero, after: start)
                    for name in page.names where try await move(MediaKey(tenant: tenant, kind: kind, name: name), keeps) { copied += 1 }
                    progress(copied)
                    start = page.next
                } while start != nil
            }
        }
        return copied
    }

    /// - Returns: whether the second store did not have it.
    private func move(_ key: MediaKey, _ keeps: Bool) async throws -> Bool {
        // Cleaned meanwhile, or replaced.
        guard let size = try await source.size(of: key) else { return false }
        let isThere = try await target.size(of: key) == size
        if !isThere { try await copy(key) }
        if !keeps { try await source.remove(key) }
        return !isThere
    }

    private func copy(_ key: MediaKey) async throws {
        let folder = try await target.workFolder()
        do {
            let path = try await source.localCopy(of: key, in: folder)
            try await target.keep(fileAt: path, sha256: try Self.hash(path), as: key)
        } catch {
            await target.remove(workFolder: folder)
            throw error
        }
        await target.remove(workFolder: folder)
    }

    private static func hash(_ path: String) throws -> [UInt8] {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        var hash = SHA256()
        while let some = try file.read(upToCount: 262_144), !some.isEmpty { hash.update(data: some) }
        return Array(hash.finalize())
    }
}
