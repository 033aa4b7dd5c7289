import Foundation
import Testing

@testable import API

@Suite("Limits of callers")
struct RateLimiterTests {
    @Test("after the burst a caller is refused, told how long to wait, and served again when that is over")
    func refillsEvenly() {
        let limiter = RateLimiter(RateLimit(perMinute: 60))
        for _ in 0..<60 { #expect(limiter.take("a", elapsed: .zero).isAllowed) }
        let refused = limiter.take("a", elapsed: .zero)
        #expect(!refused.isAllowed && refused.retryAfter == 1)
        #expect(!limiter.take("a", elapsed: .milliseconds(500)).isAllowed)
        #expect(limiter.take("a", elapsed: .milliseconds(1_020)).isAllowed)
        #expect(!limiter.take("a", elapsed: .milliseconds(1_030)).isAllowed)
    }

    @Test("callers do not take from each other, and a look takes nothing")
    func apart() {
        let limiter = RateLimiter(RateLimit(perMinute: 1))
        #expect(limiter.take("a", cost: 0, elapsed: .zero).isAllowed)
        #expect(limiter.take("a", elapsed: .zero).isAllowed)
        #expect(!limiter.take("a", elapsed: .zero).isAllowed)
        #expect(limiter.take("b", elapsed: .zero).isAllowed)
    }

    @Test("a limit of zero limits nobody")
    func noLimit() {
        let limiter = RateLimiter(RateLimit(perMinute: 0))
        for _ in 0..<1_000 { #expect(limiter.take("a").isAllowed) }
    }

    @Test("a million addresses take no more memory than one, and whoever is held back stays held back among them")
    func memoryIsFlat() throws {
        let limiter = RateLimiter(RateLimit(perMinute: 10))
        let before = limiter.memory
        #expect(before <= 2_000_000)
        let greedy = try #require(ClientAddress(parsing: "192.0.2.1"))
        for _ in 0..<10 { _ = limiter.take(greedy, elapsed: .zero) }
        let residentBefore = try residentBytes()
        for number in 0..<1_000_000 {
            _ = limiter.take(UInt64(number), elapsed: .zero)
            if number % 100_000 == 0 { #expect(!limiter.take(greedy, elapsed: .zero).isAllowed) }
        }
        #expect(!limiter.take(greedy, elapsed: .zero).isAllowed)
        #expect(limiter.memory == before)
        let grown = try residentBytes() - residentBefore
        #expect(grown < 32_000_000, "a million addresses made the process grow by \(grown) bytes")
    }

    private func residentBytes() throws -> Int {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return try #require(pages.dropFirst().first.flatMap { Int($0) }) * 4_096
    }
}

@Suite("Addresses of callers")
struct ClientAddressTests {
    @Test("an IPv6 subscriber's whole /64 shares one limit, an IPv4 address has its own")
    func subscribers() throws {
        let one = try #require(ClientAddress(parsing: "2001:db8:1:2::1"))
        let neighbour = try #require(ClientAddress(parsing: "2001:db8:1:2:ffff::9"))
        let other = try #require(ClientAddress(parsing: "2001:db8:1:3::1"))
        #expect(one.subscriber == neighbour.subscriber && one.subscriber != other.subscriber)
        let four = try #require(ClientAddress(parsing: "192.0.2.7"))
        #expect(four.subscriber == four && four == ClientAddress(parsing: "::ffff:192.0.2.7"))
        #expect(ClientAddress(parsing: "127.0.0.1")?.isLoopback == true && ClientAddress(parsing: "::1")?.isLoopback == true)
        #expect(!four.isLoopback)
    }

    @Test(
        "what is no address is none",
        arguments: ["", "unknown", "192.0.2", "192.0.2.7:80", "[2001:db8::1]", String(repeating: "1", count: 100)]
    )
    func notAddresses(text: String) { #expect(ClientAddress(parsing: text) == nil) }

    @Test(
        "X-Forwarded-For is believed as far as trusted proxies wrote it",
        arguments: [
            ("198.51.100.1", ["192.0.2.9"], "198.51.100.1"),
            ("10.1.2.3", ["192.0.2.9"], "192.0.2.9"),
            ("10.1.2.3", ["203.0.113.5, 192.0.2.9"], "192.0.2.9"),
            ("10.1.2.3", ["203.0.113.5", "192.0.2.9, 10.9.9.9"], "192.0.2.9"),
            ("10.1.2.3", ["rubbish, 10.9.9.9"], "10.9.9.9"),
            ("10.1.2.3", [], "10.1.2.3"),
            ("2001:db8::5", ["192.0.2.9"], "192.0.2.9"),
        ]
    )
    func forwarding(peer: String, forwarded: [String], expected: String) throws {
        let proxies = try #require(TrustedProxies(parsing: "10.0.0.0/8, 2001:db8::/32"))
        let address = try #require(ClientAddress(parsing: peer))
        #expect(proxies.caller(peer: address, forwarded: forwarded) == ClientAddress(parsing: expected))
    }

    @Test("a list of proxies with a mistake is refused", arguments: ["10.0.0.0/33", "10.0.0/8", "localhost", "10.0.0.0/-1", "::/129"])
    func badProxies(text: String) { #expect(TrustedProxies(parsing: text) == nil) }
}

@Suite("Formats")
struct ResponseFormatTests {
    @Test(
        "a path without extension is answered as Accept prefers, or not at all",
        arguments: [
            (nil, ResponseFormat.xml), ("*/*", .xml), ("application/json", .json), ("text/xml", .xml), ("application/xml", .xml),
            ("text/html, application/json;q=0.9, */*;q=0.1", .json), ("application/json;q=0.2, text/xml;q=0.8", .xml),
            ("application/json;q=0", nil), ("image/png", nil), ("", .xml),
        ] as [(String?, ResponseFormat?)]
    )
    func negotiation(accept: String?, expected: ResponseFormat?) { #expect(ResponseFormat.negotiated(accept: accept) == expected) }
}
