import Crypto
import Foundation
import Open311
import Storage

/// Copies photo files from one store into another that keeps them. A photo's file never changes under its name, so what is there is there.
public struct MediaCopy: Sendable {
    public struct Outcome: Sendable, Equatable {
        /// Files that are in the second store now.
        public var files = 0
        public var bytes: Int64 = 0
        /// Of these, copied by this run.
        public var copied = 0
        /// Cleaned photos whose bytes are not those of their name: not copied.
        public var damaged: [MediaKey] = []
    }

    private let source: any MediaStore
    private let target: any MediaStore

    public init(from source: any MediaStore, to target: any MediaStore) {
        self.source = source
        self.target = target
    }

    /// Everything that is there.
    ///
    /// - Parameters:
    ///   - each: told of each file that is in both then, with its bytes.
    ///   - progress: told after each page.
    public func run(
        each: (MediaKey, Int) throws -> Void = { _, _ in }, progress: (Outcome) -> Void = { _ in }
    ) async throws -> Outcome {
        var outcome = Outcome()
        for tenant in try await source.tenants() {
            for kind in MediaKey.Kind.allCases {
                var start: String?
                repeat {
                    let page = try await source.page(of: kind, tenant: tenant, olderThan: .zero, after: start)
                    try await copy(page.names.map { MediaKey(tenant: tenant, kind: kind, name: $0) }, &outcome, each)
                    progress(outcome)
                    start = page.next
                } while start != nil
            }
        }
        return outcome
    }

    /// These files.
    public func run(_ keys: [MediaKey]) async throws -> Outcome {
        var outcome = Outcome()
        try await copy(keys, &outcome) { _, _ in }
        return outcome
    }

    private func copy(_ keys: [MediaKey], _ outcome: inout Outcome, _ each: (MediaKey, Int) throws -> Void) async throws {
        for key in keys {
            try Task.checkCancellation()
            // Removed since it was listed: its row was, before.
            guard let size = try await source.size(of: key) else { continue }
            let kept = try await target.size(of: key)
            if kept != size {
                do {
                    // An original never changes, and its name does not tell its bytes: one of another size is damaged, and the copy is not.
                    let isCopied = key.kind == .original && kept != nil ? false : try await copy(key, size)
                    guard isCopied else {
                        outcome.damaged.append(key)
                        // What was copied before stays listed, and so is kept.
                        if let kept { try each(key, kept) }
                        continue
                    }
                } catch MediaError.missing {
                    continue
                }
                outcome.copied += 1
            }
            outcome.files += 1
            outcome.bytes += Int64(size)
            try each(key, size)
        }
    }

    /// Apart, because the compiler of Swift 6.3 does not survive it above. Nil for what the disk does not give.
    private func read(_ key: MediaKey, _ range: Range<Int>) async throws -> [UInt8]? {
        do { return try await source.read(key, range) } catch MediaError.failed(EIO) { return nil }
    }

    /// - Returns: false when the bytes are not those of the name, or cannot be read: one photo is in nobody else's way.
    private func copy(_ key: MediaKey, _ size: Int) async throws -> Bool {
        let file = try await target.makeIncoming()
        do {
            var hash = SHA256()
            var position = 0
            while position < size {
                guard let bytes = try await read(key, position..<min(size, position + source.readBytes)) else {
                    await file.discard()
                    return false
                }
                guard !bytes.isEmpty else { throw MediaError.missing }
                hash.update(data: bytes)
                try await file.write(bytes)
                position += bytes.count
            }
            let sha256 = Array(hash.finalize())
            guard key.kind == .original || key == .cleaned(sha256, of: key.tenant) else {
                await file.discard()
                return false
            }
            try await target.keep(file, sha256: sha256, as: key)
            return true
        } catch {
            await file.discard()
            throw error
        }
    }
}

extension MediaKey {
    /// Where it stands in a folder of photos, as in `valmont-7f3a9c/cleaned/3f/3f…`; also how a backup's list names it.
    public var path: String { "\(tenant.rawValue)/\(kind.rawValue)/\(name.prefix(2))/\(name)" }

    /// Reads it back; nil for anything else.
    public init?(path: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 4, let tenant = try? TenantKey(validating: parts[0]), let kind = Kind(rawValue: parts[1]) else { return nil }
        self.init(tenant: tenant, kind: kind, name: parts[3])
        guard parts[2] == String(parts[3].prefix(2)), Self.isStoredName(parts[3], of: kind) else { return nil }
    }
}
