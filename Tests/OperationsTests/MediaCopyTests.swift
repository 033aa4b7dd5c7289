import Crypto
import Foundation
import Open311
import Storage
import Testing

@testable import Operations

@Suite("Photos copied into a backup")
struct MediaCopyTests {
    private func keep(_ bytes: [UInt8], as key: MediaKey, in store: MediaFolder) async throws {
        let file = try await store.makeIncoming()
        try await file.write(bytes)
        try await store.keep(file, sha256: Array(SHA256.hash(data: bytes)), as: key)
    }

    @Test("what is damaged in the store destroys no copy, and stays listed; what is cancelled ends soon")
    func damaged() async throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-copy-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: root) }
        let (store, backup) = (try MediaFolder(path: root + "/store"), try MediaFolder(path: root + "/backup"))
        let tenant = try TenantKey(validating: "valmont-7f3a9c")
        let bytes: [UInt8] = Array(1...200)
        let original = MediaKey.original(PhotoToken(), of: tenant)
        let cleaned = MediaKey.cleaned(Array(SHA256.hash(data: bytes)), of: tenant)
        let lost = MediaKey.cleaned(Array(SHA256.hash(data: [1])), of: tenant)
        for key in [original, cleaned] { try await keep(bytes, as: key, in: store) }
        #expect(try await MediaCopy(from: store, to: backup).run().copied == 2)

        for key in [original, cleaned] { try await keep([1, 2], as: key, in: store) }
        try await keep([9], as: lost, in: store)
        var listed: [MediaKey: Int] = [:]
        let outcome = try await MediaCopy(from: store, to: backup).run(each: { listed[$0] = $1 })
        #expect(Set(outcome.damaged) == [original, cleaned, lost] && outcome.copied == 0)
        #expect(listed == [original: 200, cleaned: 200])
        for key in [original, cleaned] { #expect(try await backup.read(key, 0..<200) == bytes) }

        let cancelled = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await MediaCopy(from: store, to: backup).run()
        }
        await #expect(throws: CancellationError.self) { try await cancelled.value }
    }
}
