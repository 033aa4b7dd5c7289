import Curl
import Foundation
import Testing

@Suite("Files over HTTP", .timeLimit(.minutes(1)))
struct FileTransferTests {
    /// A client, a server and a folder for the length of one test.
    private func withClient(
        answering answer: @escaping @Sendable (ScriptedServer.Request) -> ScriptedServer.Answer,
        _ body: (HTTPClient, ScriptedServer, String) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-curl-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let server = try ScriptedServer(answer: answer)
        defer {
            server.stop()
            try? FileManager.default.removeItem(atPath: folder)
        }
        let client = try HTTPClient(name: "test-files")
        do {
            try await body(client, server, folder)
        } catch {
            await client.close()
            throw error
        }
        await client.close()
    }

    private func failure(_ client: HTTPClient, _ request: HTTPRequest) async -> CurlError? {
        do {
            _ = try await client.send(request)
            return nil
        } catch {
            return error
        }
    }

    @Test("a file is sent as it is, with its length", arguments: [0, 1, 300_000])
    func upload(size: Int) async throws {
        try await withClient(answering: { _ in ScriptedServer.ok("") }) { client, server, folder in
            let content = String(repeating: "abcdefg\n", count: size).prefix(size)
            try Data(content.utf8).write(to: URL(fileURLWithPath: folder + "/in"))
            let response = try await client.send(
                HTTPRequest(method: "PUT", url: server.url + "/a", upload: FileUpload(path: folder + "/in")))
            #expect(response.status == 200)
            let received = try #require(server.requests.first)
            #expect(received.head.hasPrefix("PUT /a HTTP/1.1\r\n") && received.head.contains("Content-Length: \(size)"))
            #expect(received.body == content)
            _ = try await client.send(HTTPRequest(url: server.url))
            #expect(server.requests.last?.head.hasPrefix("GET ") == true, "nothing of the file is left to the next request")
        }
    }

    @Test("a file that is not there is an error of this side, and nothing is asked")
    func noFile() async throws {
        try await withClient(answering: { _ in ScriptedServer.ok("") }) { client, server, folder in
            let error = await failure(
                client, HTTPRequest(method: "PUT", url: server.url, upload: FileUpload(path: folder + "/secret-name")))
            #expect(error?.kind == .file && error?.isRetriable == false)
            #expect(error?.description.contains("secret-name") == false)
            #expect(server.requests.isEmpty)
        }
    }

    @Test("an answer goes to a new file of this account alone; a refusal does not")
    func download() async throws {
        try await withClient(answering: { request in
            request.head.hasPrefix("GET /none")
                ? .bytes("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone") : ScriptedServer.ok("picture")
        }) { client, server, folder in
            let path = folder + "/out"
            let whole = try await client.send(HTTPRequest(url: server.url, download: FileDownload(path: path)))
            #expect(whole.status == 200 && whole.body.isEmpty)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "picture")
            #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
            #expect(await failure(client, HTTPRequest(url: server.url, download: FileDownload(path: path)))?.kind == .file)
            let refused = try await client.send(HTTPRequest(url: server.url + "/none", download: FileDownload(path: path + "2")))
            #expect(refused.status == 404 && refused.body == Array("none".utf8))
            #expect(!FileManager.default.fileExists(atPath: path + "2"))
        }
    }

    @Test("of an answer that is too long or breaks off, no file is left")
    func noHalfFile() async throws {
        try await withClient(answering: { request in
            request.head.hasPrefix("GET /cut")
                ? .cut("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                : .endless(head: "HTTP/1.1 200 OK\r\n\r\n", chunk: String(repeating: "x", count: 10_000))
        }) { client, server, folder in
            let path = folder + "/out"
            var request = HTTPRequest(url: server.url, download: FileDownload(path: path))
            request.maximumResponseBytes = 100_000
            #expect(await failure(client, request)?.kind == .tooLarge)
            request.url = server.url + "/cut"
            #expect(await failure(client, request)?.kind == .connectionLost)
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test("a signed request carries its signature, and no secret; what was given as a header is signed")
    func signature() async throws {
        try await withClient(answering: { _ in ScriptedServer.ok("") }) { client, server, _ in
            let signature = AWSSignature(region: "eu-west-3", service: "s3", accessKey: "AKEY", secretKey: "canary")
            var request = HTTPRequest(url: server.url + "/bucket/a?list-type=2&prefix=", signature: signature)
            request.headers = [HTTPHeader(name: "x-amz-content-sha256", value: "abc"), HTTPHeader(name: "Range", value: "bytes=0-1")]
            _ = try await client.send(request)
            let head = try #require(server.requests.first?.head)
            #expect(head.contains("Credential=AKEY/") && head.contains("/eu-west-3/s3/aws4_request"))
            #expect(head.contains("SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"))
            #expect(!head.contains("canary") && !String(reflecting: signature).contains("canary"))
            request.signature?.region = "a:b"
            #expect(await failure(client, request)?.kind == .invalidRequest)
        }
    }

    @Test("a group runs so many at the same time, lets so many wait, and refuses the rest")
    func group() async throws {
        let server = try ScriptedServer { _ in .silence }
        defer { server.stop() }
        let group = HTTPClientGroup(name: "test-group", size: 2, maximumWaiting: 1)
        let url = server.url
        let kind: @Sendable (Duration) async -> CurlError.Kind? = { timeout in
            do throws(CurlError) {
                _ = try await group.send(HTTPRequest(url: url, timeout: timeout))
                return nil
            } catch {
                return error.kind
            }
        }
        async let first = kind(.milliseconds(600))
        async let second = kind(.milliseconds(600))
        while server.requests.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
        async let third = kind(.milliseconds(50))
        async let fourth = kind(.milliseconds(50))
        #expect(await [first, second] == [.timedOut, .timedOut])
        #expect(Set(await [third, fourth]) == [.timedOut, .outOfResources], "who waited has no time left")
        #expect(server.requests.count == 2)
        await group.close()
        await #expect(throws: CurlError.self) { try await group.send(HTTPRequest(url: url)) }
    }
}
