import Foundation
import Open311
import Testing

@testable import Storage

#if canImport(Glibc)
    import Glibc
#endif

@Suite("The S3 store when the service fails", .timeLimit(.minutes(1)))
struct S3StoreTests {
    /// A port where everybody is let in and nobody is answered, for the length of one test.
    private func withSilence(_ body: (S3Store, MediaFolder) async throws -> Void) async throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        try #require(isBound)
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-s3-\(UUID().uuidString)").path
        let folder = try MediaFolder(path: path)
        defer {
            close(listener)
            try? FileManager.default.removeItem(atPath: path)
        }
        let configuration = try S3Configuration(
            endpoint: "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))", region: "x", bucket: "photos", prefix: "", accessKey: "a",
            secretKey: "canary")
        let store = S3Store(
            configuration, receiving: folder, lanes: 2, times: S3Store.Times(file: .milliseconds(700), answer: .milliseconds(400)))
        try await body(store, folder)
        await store.close()
    }

    private func failure(_ work: () async throws(MediaError) -> Void) async -> MediaError? {
        do throws(MediaError) {
            try await work()
            return nil
        } catch {
            return error
        }
    }

    @Test("a service that takes everything and says nothing is given up in time, however many ask, and no file is lost by it")
    func silence() async throws {
        try await withSilence { store, folder in
            let key = MediaKey.original(PhotoToken(), of: try TenantKey(validating: "valmont-7f3a9c"))
            let file = try await store.makeIncoming()
            try await file.write([UInt8](repeating: 7, count: 100_000))
            let start = ContinuousClock.now
            let failures = await withTaskGroup(of: MediaError?.self) { group in
                for _ in 0..<20 {
                    group.addTask { await failure { () throws(MediaError) in try await store.keep(file, sha256: [], as: key) } }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(start.duration(to: .now) < .seconds(5))
            #expect(failures.count == 20)
            for failure in failures {
                guard case .unreachable(let detail)? = failure else {
                    Issue.record("\(String(describing: failure))")
                    continue
                }
                #expect(!detail.contains(key.name) && !detail.contains("canary"), "names neither file nor secret")
            }
            #expect(try await folder.sweepIncoming(olderThan: .zero) == 1, "the received file is there until it is discarded")
        }
    }

    @Test("a read that fails is an error, never an empty file; a list that fails is never an empty store")
    func reads() async throws {
        try await withSilence { store, _ in
            let tenant = try TenantKey(validating: "valmont-7f3a9c")
            let key = MediaKey.original(PhotoToken(), of: tenant)
            #expect(await failure { () throws(MediaError) in _ = try await store.read(key, 0..<5) } != nil)
            #expect(await failure { () throws(MediaError) in _ = try await store.size(of: key) } != nil)
            #expect(await failure { () throws(MediaError) in _ = try await store.tenants() } != nil)
            let page = await failure { () throws(MediaError) in
                _ = try await store.page(of: .original, tenant: tenant, olderThan: .zero, after: nil)
            }
            #expect(page != nil)
        }
    }
}
