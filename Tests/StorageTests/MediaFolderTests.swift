import Crypto
import Foundation
import Open311
import Testing

@testable import Storage

@Suite("The media folder")
struct MediaFolderTests {
    private func withFolder(_ body: (MediaFolder, String) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-media-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(try MediaFolder(path: path), path)
    }

    private func keep(_ bytes: [UInt8], as key: MediaKey, in store: any MediaStore) async throws {
        let file = try await store.makeIncoming()
        try await file.write(bytes)
        try await store.keep(file, sha256: Array(SHA256.hash(data: bytes)), as: key)
    }

    @Test("pages hold every name once, of one tenant and kind, and nothing that somebody else put there")
    func pages() async throws {
        try await withFolder { store, path in
            let (one, other) = (try TenantKey(validating: "valmont-7f3a9c"), try TenantKey(validating: "voisin-0a1b2c"))
            var expected: Set<String> = []
            for number in UInt8(0)..<40 {
                let hash = Array(SHA256.hash(data: [number]))
                try await keep([number], as: .cleaned(hash, of: one), in: store)
                expected.insert(MediaKey.cleaned(hash, of: one).name)
            }
            try await keep([1], as: .original(PhotoToken(), of: other), in: store)
            let shelf = try #require(expected.first).prefix(2)
            #expect(FileManager.default.createFile(atPath: "\(path)/valmont-7f3a9c/cleaned/\(shelf)/.DS_Store", contents: nil))
            var found: [String] = []
            var next: String?
            repeat {
                let page = try await store.page(of: .cleaned, tenant: one, olderThan: .zero, after: next)
                found += page.names
                next = page.next
            } while next != nil
            #expect(found.count == 40 && Set(found) == expected)
            #expect(try await store.page(of: .original, tenant: one, olderThan: .zero, after: nil) == MediaPage(names: [], next: nil))
            #expect(try await store.page(of: .cleaned, tenant: one, olderThan: .seconds(60), after: nil).names.isEmpty, "too young")
            #expect(Set(try await store.tenants()) == [one, other])
        }
    }

    @Test("the same bytes of two tenants are two files, and one's end is not the other's")
    func tenants() async throws {
        try await withFolder { store, _ in
            let keys = try ["valmont-7f3a9c", "voisin-0a1b2c"].map { MediaKey.cleaned([1, 2], of: try TenantKey(validating: $0)) }
            for key in keys { try await keep([1, 2, 3], as: key, in: store) }
            try await store.remove(keys[0])
            try await store.remove(keys[0])
            #expect(try await store.size(of: keys[0]) == nil)
            #expect(try await store.size(of: keys[1]) == 3)
            #expect(try await store.read(keys[1], 1..<9) == [2, 3])
            await #expect(throws: MediaError.missing) { try await store.localCopy(of: keys[0], in: "") }
        }
    }

    @Test("what is received and not kept is swept when it is old, work that was broken off with it")
    func incoming() async throws {
        try await withFolder { store, path in
            let file = try await store.makeIncoming()
            try await file.write([1])
            let work = try await store.workFolder()
            #expect(FileManager.default.createFile(atPath: work + "/part.png", contents: nil))
            #expect(try await store.sweepIncoming(olderThan: .seconds(60)) == 0)
            #expect(try await store.sweepIncoming(olderThan: .zero) == 2)
            #expect(try FileManager.default.contentsOfDirectory(atPath: path + "/incoming").isEmpty)
        }
    }
}
