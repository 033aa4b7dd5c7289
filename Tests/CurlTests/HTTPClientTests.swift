import Curl
import Testing

@Suite("The HTTP client", .timeLimit(.minutes(1)))
struct HTTPClientTests {
    /// A client and a server for the length of one test.
    private func withClient(
        answering answer: @escaping @Sendable (ScriptedServer.Request) -> ScriptedServer.Answer,
        _ body: (HTTPClient, ScriptedServer) async throws -> Void
    ) async throws {
        let server = try ScriptedServer(answer: answer)
        defer { server.stop() }
        let client = try HTTPClient(name: "test-http")
        do {
            try await body(client, server)
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

    @Test("returns status, headers and body")
    func returnsAnswer() async throws {
        try await withClient(answering: { _ in
            .bytes("HTTP/1.1 404 Not Found\r\nX-Reason:  gone \r\nContent-Length: 4\r\n\r\nbody")
        }) { client, server in
            let response = try await client.send(HTTPRequest(url: server.url + "/a%20b?c=d"))
            #expect(response.status == 404)
            #expect(response.header("x-reason") == "gone")
            #expect(response.body == Array("body".utf8))
            #expect(server.requests.first?.head.hasPrefix("GET /a%20b?c=d HTTP/1.1") == true)
        }
    }

    @Test("sends method, headers, body and credentials as given", arguments: ["PUT", "POST", "PATCH", "DELETE"])
    func sendsRequest(method: String) async throws {
        try await withClient(answering: { _ in ScriptedServer.ok("") }) { client, server in
            var request = HTTPRequest(method: method, url: server.url, body: Array("{}".utf8))
            request.headers = [HTTPHeader(name: "Content-Type", value: "application/json"), HTTPHeader(name: "X-Empty", value: "")]
            request.basicAuthentication = BasicAuthentication(user: "user", password: "pass:word")
            _ = try await client.send(request)
            let received = try #require(server.requests.first)
            #expect(received.head.hasPrefix("\(method) / HTTP/1.1\r\n"))
            #expect(received.head.contains("\r\nContent-Type: application/json\r\n"))
            #expect(received.head.contains("\r\nX-Empty:"))
            #expect(received.head.contains("\r\nAuthorization: Basic dXNlcjpwYXNzOndvcmQ=\r\n"))
            #expect(!received.head.contains("Expect"))
            #expect(received.body == "{}")
        }
    }

    @Test("a request leaves nothing to the next: neither credentials, nor body, nor method")
    func forgetsBetweenRequests() async throws {
        try await withClient(answering: { _ in ScriptedServer.ok("") }) { client, server in
            var first = HTTPRequest(method: "PUT", url: server.url, body: Array("secret".utf8))
            first.basicAuthentication = BasicAuthentication(user: "user", password: "password")
            _ = try await client.send(first)
            _ = try await client.send(HTTPRequest(url: server.url))
            let second = try #require(server.requests.last)
            #expect(second.head.hasPrefix("GET "))
            #expect(!second.head.contains("Authorization"))
            #expect(second.body.isEmpty)
        }
    }

    @Test("keeps its connection between requests")
    func reusesConnection() async throws {
        try await withClient(answering: { _ in ScriptedServer.ok("x") }) { client, server in
            for _ in 0..<5 { _ = try await client.send(HTTPRequest(url: server.url)) }
            #expect(server.requests.map(\.connection) == [1, 1, 1, 1, 1])
        }
    }

    @Test("gives up on a server that does not answer in time, and says it may be tried again")
    func timesOut() async throws {
        try await withClient(answering: { _ in .silence }) { client, server in
            let begin = ContinuousClock.now
            let error = await failure(client, HTTPRequest(url: server.url, timeout: .milliseconds(200)))
            #expect(error?.kind == .timedOut)
            #expect(error?.isRetriable == true)
            #expect(begin.duration(to: .now) < .seconds(5))
        }
    }

    @Test("gives up on an answer that never ends, by size")
    func refusesEndlessBody() async throws {
        try await withClient(answering: { _ in
            .endless(head: "HTTP/1.1 200 OK\r\n\r\n", chunk: String(repeating: "x", count: 10_000))
        }) { client, server in
            let error = await failure(client, HTTPRequest(url: server.url, maximumResponseBytes: 100_000))
            #expect(error?.kind == .tooLarge)
            #expect(error?.isRetriable == false)
            #expect(error?.description.contains("100000 bytes") == true)
        }
    }

    @Test("gives up on headers that never end, by size")
    func refusesEndlessHeaders() async throws {
        try await withClient(answering: { _ in
            .endless(head: "HTTP/1.1 200 OK\r\n", chunk: String(repeating: "X-A: 12345678901234567890\r\n", count: 100))
        }) { client, server in
            #expect(await failure(client, HTTPRequest(url: server.url))?.kind == .tooLarge)
        }
    }

    @Test("accepts an answer of exactly the allowed size")
    func acceptsLimit() async throws {
        try await withClient(answering: { _ in ScriptedServer.ok("12345") }) { client, server in
            let response = try await client.send(HTTPRequest(url: server.url, maximumResponseBytes: 5))
            #expect(response.body.count == 5)
            #expect(await failure(client, HTTPRequest(url: server.url, maximumResponseBytes: 4))?.kind == .tooLarge)
        }
    }

    @Test("tells a refused connection from a lost one, from a cut answer, from an answer that is not HTTP")
    func tellsFailuresApart() async throws {
        try await withClient(answering: { request in
            if request.head.hasPrefix("GET /partial") { return .cut("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") }
            if request.head.hasPrefix("GET /other") { return .cut("220 smtp.example.org\r\n") }
            return .cut("")
        }) { client, server in
            let unused = try ScriptedServer.unusedPort()
            let refused = await failure(client, HTTPRequest(url: "http://127.0.0.1:\(unused)/"))
            #expect(refused?.kind == .cannotConnect)
            #expect(refused?.isRetriable == true)
            #expect(await failure(client, HTTPRequest(url: server.url))?.kind == .connectionLost)
            #expect(await failure(client, HTTPRequest(url: server.url + "/partial"))?.kind == .connectionLost)
            #expect(await failure(client, HTTPRequest(url: server.url + "/other"))?.isRetriable == false)
        }
    }

    @Test("returns a redirect as it is, and follows it only when asked to")
    func redirects() async throws {
        try await withClient(answering: { request in
            guard request.head.hasPrefix("GET /old") else { return ScriptedServer.ok("here") }
            return .bytes("HTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n")
        }) { client, server in
            let first = try await client.send(HTTPRequest(url: server.url + "/old"))
            #expect(first.status == 302)
            let followed = try await client.send(HTTPRequest(url: server.url + "/old", followsRedirects: true))
            #expect(followed.status == 200)
            #expect(followed.header("location") == nil, "headers are of the last answer")
        }
    }

    @Test("never follows a redirect out of http, and not for ever")
    func refusesBadRedirects() async throws {
        try await withClient(answering: { request in
            let target = request.head.hasPrefix("GET /file") ? "file:///etc/hostname" : "/loop"
            return .bytes("HTTP/1.1 302 Found\r\nLocation: \(target)\r\nContent-Length: 0\r\n\r\n")
        }) { client, server in
            #expect(await failure(client, HTTPRequest(url: server.url + "/file", followsRedirects: true))?.kind == .invalidRequest)
            #expect(await failure(client, HTTPRequest(url: server.url + "/loop", followsRedirects: true))?.kind == .tooManyRedirects)
        }
    }

    @Test(
        "refuses a request that cannot be sent as it is written",
        arguments: [
            HTTPRequest(url: "file:///etc/passwd"),
            HTTPRequest(url: "localhost:80"),
            HTTPRequest(url: "http://"),
            HTTPRequest(url: "http://user:secret@127.0.0.1/"),
            HTTPRequest(url: "http://127.0.0.1/a b"),
            HTTPRequest(method: "get", url: "http://127.0.0.1/"),
            HTTPRequest(url: "http://127.0.0.1/", headers: [HTTPHeader(name: "X-A", value: "secret\r\nX-B: 1")]),
            HTTPRequest(url: "http://127.0.0.1/", headers: [HTTPHeader(name: "X A", value: "secret")]),
        ]
    )
    func refusesInvalidRequest(request: HTTPRequest) async throws {
        let client = try HTTPClient(name: "test-http")
        let error = try #require(await failure(client, request))
        #expect(error.kind == .invalidRequest)
        #expect(!error.description.contains("secret"))
        await client.close()
    }

    @Test("does not speak in clear with a server asked for https")
    func refusesPlainServerOverTLS() async throws {
        try await withClient(answering: { _ in ScriptedServer.ok("") }) { client, server in
            let error = await failure(client, HTTPRequest(url: "https://127.0.0.1:\(server.port)/"))
            #expect(error?.kind == .untrusted)
            #expect(error?.isRetriable == false)
            #expect(server.requests.isEmpty)
        }
    }

    @Test("shows neither path, query nor password in its errors")
    func keepsSecrets() async throws {
        let client = try HTTPClient(name: "test-http")
        var request = HTTPRequest(url: "http://127.0.0.1:\(try ScriptedServer.unusedPort())/hook/canary?key=canary")
        request.basicAuthentication = BasicAuthentication(user: "someone", password: "canary")
        let error = try #require(await failure(client, request))
        #expect(!error.description.contains("canary"))
        #expect(!String(reflecting: request.basicAuthentication).contains("canary"))
        var dumped = ""
        dump(request.basicAuthentication, to: &dumped)
        #expect(!dumped.contains("canary"))
        await client.close()
    }

    @Test("a cancelled task stops waiting")
    func cancels() async throws {
        try await withClient(answering: { _ in .silence }) { client, server in
            let url = server.url
            let task = Task { await failure(client, HTTPRequest(url: url, timeout: .seconds(30))) }
            while server.requests.isEmpty { await Task.yield() }
            task.cancel()
            #expect(await task.value?.kind == .cancelled)
        }
    }

    @Test("closing ends the transfer under way, and later requests fail at once")
    func closes() async throws {
        try await withClient(answering: { _ in .silence }) { client, server in
            let url = server.url
            let task = Task { await failure(client, HTTPRequest(url: url, timeout: .seconds(30))) }
            while server.requests.isEmpty { await Task.yield() }
            await client.close()
            #expect(await task.value?.kind == .closed)
            #expect(await failure(client, HTTPRequest(url: url))?.kind == .closed)
        }
    }
}
