import Curl
import Foundation
import Storage
import Testing

@testable import Operations

@Suite("Fetching what a link leads to", .timeLimit(.minutes(1)))
struct LinkFetchTests {
    private func outcome(_ link: String, cleartext: Bool = true, resolving faces: [[String]?]) async throws -> (
        LinkFetch.Outcome, asked: Int
    ) {
        let asked = Counter()
        let linkGuard = LinkGuard(resolve: { _ in
            let turn = await asked.next()
            return faces[min(turn, faces.count - 1)].map { $0.compactMap { NetworkAddress($0) } }
        })
        let client = try HTTPClient(name: "test-links")
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-link-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let fetch = LinkFetch(client: client, linkGuard: linkGuard)
        let outcome = await fetch.fetch(link, allowsCleartext: cleartext, to: path, maximumBytes: 1_000)
        await client.close()
        return (outcome, await asked.count)
    }

    private actor Counter {
        private(set) var count = 0
        func next() -> Int {
            count += 1
            return count - 1
        }
    }

    @Test("a name that stands for a private address, or for one beside a public one, is not asked")
    func privateNames() async throws {
        for addresses in [["127.0.0.1"], ["93.184.215.14", "192.168.1.1"], ["::1"], ["fd00::1"], ["169.254.169.254"], ["::ffff:8.8.8.8"]] {
            #expect(try await outcome("https://photos.example/a.jpg", resolving: [addresses]).0 == .refused(.linkNotAllowed))
        }
    }

    @Test(
        "http is followed only when it is wanted; other schemes, ports and credentials never",
        arguments: [
            "http://photos.example/", "ftp://photos.example/", "https://photos.example:22/", "https://u:p@photos.example/",
            "file:///etc/passwd", "x",
        ])
    func forbidden(link: String) async throws {
        let (outcome, asked) = try await outcome(link, cleartext: false, resolving: [["93.184.215.14"]])
        #expect(outcome == .refused(.linkNotAllowed) && asked == 0)
    }

    @Test("a name that nobody knows may be known later")
    func unknown() async throws {
        #expect(try await outcome("https://photos.example/", resolving: [nil]).0 == .later)
        #expect(
            LinkCopier.pauses.count == 4 && LinkCopier.pauses == LinkCopier.pauses.sorted(),
            "tries are bounded, and further and further apart")
    }
}
