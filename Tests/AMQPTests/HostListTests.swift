import Testing

@testable import AMQP

@Suite("The hosts of a cluster")
struct HostListTests {
    private func configuration(_ hosts: String, seconds: Int = 6) throws -> AMQPConfiguration {
        try AMQPConfiguration(uri: "amqp://\(hosts)?connection_timeout=\(seconds * 1_000)")
    }

    private func failure(_ kind: AMQPError.Kind, _ attempt: AMQPConfiguration) -> AMQPError { AMQPError(kind, server: attempt.server) }

    @Test("are tried until one answers, each once, in no fixed order")
    func shuffled() throws {
        var firsts: Set<String> = []
        for _ in 0..<200 {
            var tried: [String] = []
            let (value, chosen) = try HostList(configuration("a,b,c")).open { attempt throws(AMQPError) in
                tried.append(attempt.host)
                if attempt.host != "b" { throw failure(.connectionRefused, attempt) }
                return attempt.endpoints.count
            }
            #expect(value == 1 && chosen.host == "b")
            #expect(Set(tried).count == tried.count)
            firsts.formUnion(tried.prefix(1))
        }
        #expect(firsts == ["a", "b", "c"])
    }

    @Test("share one budget: what one leaves, the next ones have")
    func budget() throws {
        var limits: [Duration] = []
        let error = #expect(throws: AMQPError.self) {
            try HostList(configuration("a,b,c")).open { attempt throws(AMQPError) -> Int in
                limits.append(attempt.handshakeTimeout)
                throw failure(.timeout, attempt)
            }
        }
        #expect(limits.count == 3)
        for (limit, expected) in zip(limits, [2, 3, 6]) {
            #expect(limit <= .seconds(expected) && limit > .seconds(expected) - .milliseconds(500))
        }
        #expect(error?.otherHosts.count == 2)
    }

    @Test("fail with the reason that waiting will not mend, and the words of the others")
    func summary() throws {
        let error = #expect(throws: AMQPError.self) {
            try HostList(configuration("a,b,c")).open { attempt throws(AMQPError) -> Int in
                throw failure(attempt.host == "b" ? .tls(detail: "bad certificate") : .connectionRefused, attempt)
            }
        }
        #expect(error?.kind == .tls(detail: "bad certificate"))
        #expect(error?.isRetriable == false)
        for host in ["a:5672", "b:5672", "c:5672"] { #expect(error?.description.contains(host) == true) }
    }

    @Test("know the same users: a refused password is not tried at the next")
    func password() throws {
        var count = 0
        let error = #expect(throws: AMQPError.self) {
            try HostList(configuration("a,b,c")).open { attempt throws(AMQPError) -> Int in
                count += 1
                throw failure(.authenticationRefused, attempt)
            }
        }
        #expect(count == 1)
        #expect(error?.kind == .authenticationRefused)
    }
}
