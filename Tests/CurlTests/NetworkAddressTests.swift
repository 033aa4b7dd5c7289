import Testing

@testable import Curl

@Suite("An address")
struct NetworkAddressTests {
    private typealias Purpose = NetworkAddress.Purpose

    /// First and last of each reserved block, and their neighbours outside.
    @Test(
        "is known by its block, to the first and the last one of it",
        arguments: [
            ("0.0.0.0", .unspecified), ("0.255.255.255", .unspecified), ("1.0.0.0", .global), ("9.255.255.255", .global),
            ("10.0.0.0", .privateUse), ("10.255.255.255", .privateUse), ("11.0.0.0", .global), ("100.63.255.255", .global),
            ("100.64.0.0", .carrierGrade), ("100.127.255.255", .carrierGrade), ("100.128.0.0", .global), ("126.255.255.255", .global),
            ("127.0.0.0", .loopback), ("127.0.0.1", .loopback), ("127.255.255.255", .loopback), ("128.0.0.0", .global),
            ("169.253.255.255", .global), ("169.254.0.0", .linkLocal), ("169.254.169.254", .linkLocal), ("169.254.255.255", .linkLocal),
            ("169.255.0.0", .global), ("172.15.255.255", .global), ("172.16.0.0", .privateUse), ("172.31.255.255", .privateUse),
            ("172.32.0.0", .global), ("191.255.255.255", .global), ("192.0.0.0", .reserved), ("192.0.0.255", .reserved),
            ("192.0.1.0", .global), ("192.0.2.0", .documentation), ("192.0.2.255", .documentation), ("192.0.3.0", .global),
            ("192.88.98.255", .global), ("192.88.99.0", .sixToFour), ("192.88.99.255", .sixToFour), ("192.88.100.0", .global),
            ("192.167.255.255", .global), ("192.168.0.0", .privateUse), ("192.168.255.255", .privateUse), ("192.169.0.0", .global),
            ("198.17.255.255", .global), ("198.18.0.0", .benchmark), ("198.19.255.255", .benchmark), ("198.20.0.0", .global),
            ("198.51.99.255", .global), ("198.51.100.0", .documentation), ("198.51.100.255", .documentation), ("198.51.101.0", .global),
            ("203.0.112.255", .global), ("203.0.113.0", .documentation), ("203.0.113.255", .documentation), ("203.0.114.0", .global),
            ("223.255.255.255", .global), ("224.0.0.0", .multicast), ("239.255.255.255", .multicast), ("240.0.0.0", .reserved),
            ("255.255.255.255", .reserved), ("8.8.8.8", .global),
            ("::", .unspecified), ("::1", .loopback), ("::2", .reserved), ("::7f00:1", .reserved), ("::ffff:0:0", .mapped),
            ("::ffff:127.0.0.1", .mapped), ("::ffff:8.8.8.8", .mapped), ("::ffff:ffff:ffff", .mapped), ("::fffe:ffff:ffff", .reserved),
            ("64:ff9b::", .translated), ("64:ff9b::8.8.8.8", .translated), ("64:ff9b::1:0:0", .reserved), ("64:ff9b:1::", .translated),
            ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", .translated), ("64:ff9b:2::", .reserved), ("100::1", .reserved),
            ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .reserved), ("2000::", .global), ("2000:ffff::1", .global), ("2001::", .teredo),
            ("2001:0:ffff:ffff:ffff:ffff:ffff:ffff", .teredo), ("2001:1::", .reserved), ("2001:2::", .benchmark),
            ("2001:2:0:ffff::", .benchmark), ("2001:2:1::", .reserved), ("2001:1ff:ffff::", .reserved), ("2001:200::", .global),
            ("2001:db7:ffff::", .global), ("2001:db8::", .documentation), ("2001:db8:ffff:ffff::", .documentation),
            ("2001:db9::", .global), ("2001:4860:4860::8888", .global), ("2001:ffff::", .global), ("2002::", .sixToFour),
            ("2002:7f00:1::", .sixToFour), ("2002:ffff:ffff::", .sixToFour), ("2003::", .global), ("2a00:1450:4007::", .global),
            ("3ffe:ffff::", .global), ("3fff::", .documentation), ("3fff:fff:ffff::", .documentation), ("3fff:1000::", .global),
            ("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .global), ("4000::", .reserved), ("5f00::1", .reserved), ("fbff::", .reserved),
            ("fc00::", .uniqueLocal), ("fd00:ec2::254", .uniqueLocal), ("fdff:ffff::", .uniqueLocal), ("fe00::", .reserved),
            ("fe7f:ffff::", .reserved), ("fe80::1", .linkLocal), ("febf:ffff::", .linkLocal), ("fec0::", .siteLocal),
            ("feff::", .siteLocal),
            ("ff00::", .multicast), ("ff02::1", .multicast), ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .multicast),
        ] as [(String, NetworkAddress.Purpose)])
    func blocks(text: String, purpose: NetworkAddress.Purpose) throws {
        #expect(try #require(NetworkAddress(text)).purpose == purpose)
    }

    @Test("of IPv4 is global or not as the registry's blocks say, for every /16 and for random ones")
    func everyBlock() {
        func isSpecial(_ a: UInt32, _ b: UInt32, _ c: UInt32) -> Bool {
            a == 0 || a == 10 || a == 127 || a >= 224 || a == 100 && (64...127).contains(b) || a == 169 && b == 254
                || a == 172 && (16...31).contains(b) || a == 192 && (b == 168 || b == 0 && (c == 0 || c == 2) || b == 88 && c == 99)
                || a == 198 && (b == 18 || b == 19 || b == 51 && c == 100) || a == 203 && b == 0 && c == 113
        }
        var addresses = (0..<65_536).map { UInt32($0) << 16 | 0x0101 }
        var generator = SystemRandomNumberGenerator()
        addresses += (0..<50_000).map { _ in UInt32.random(in: 0...UInt32.max, using: &generator) }
        let wrong = addresses.filter { address in
            (NetworkAddress.v4(address).purpose != .global) != isSpecial(address >> 24, address >> 16 & 0xFF, address >> 8 & 0xFF)
        }
        #expect(wrong.isEmpty)
    }

    @Test("of IPv6 is global within 2000::/3 only, whatever its other bits")
    func randomSix() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<50_000 {
            let high = UInt64.random(in: 0...UInt64.max, using: &generator)
            let address = NetworkAddress.v6(high: high, low: UInt64.random(in: 0...UInt64.max, using: &generator))
            if address.purpose == .global { #expect(high >> 61 == 1 && high >> 48 != 0x2002 && high >> 32 != 0x2001_0DB8) }
            #expect(NetworkAddress(address.description) == address)
        }
        for _ in 0..<1_000 {
            let address = NetworkAddress.v4(UInt32.random(in: 0...UInt32.max, using: &generator))
            #expect(NetworkAddress(address.description) == address)
        }
    }

    @Test(
        "is written in one way only",
        arguments: [
            "", "1", "127.1", "0x7f.0.0.1", "2130706433", "1.2.3.4.5", "1.2.3", "1.2.3.4 ", "[::1]", "fe80::1%eth0", "::g", "localhost",
        ])
    func nothingElse(text: String) { #expect(NetworkAddress(text) == nil) }
}

@Suite("A stranger's link")
struct LinkAddressTests {
    @Test(
        "is taken apart",
        arguments: [
            ("https://photos.example/a.jpg?b=c#d", "https://photos.example/a.jpg?b=c"),
            ("HTTPS://Photos.Example", "https://photos.example/"),
            ("http://x.example:80/", "http://x.example/"), ("https://x.example:8443/é b", "https://x.example:8443/%C3%A9%20b"),
            ("https://[2001:DB8::1]:443/a", "https://[2001:DB8::1]/a"), ("https://x.example:/", "https://x.example/"),
            ("https://x.example?a=<b>", "https://x.example/?a=%3Cb%3E"), ("http://127.1/%2e%2e/", "http://127.1/%2e%2e/"),
        ])
    func parts(text: String, url: String) { #expect(LinkAddress(text)?.url == url) }

    @Test(
        "is nothing else",
        arguments: [
            "", "https://", "https:///a", "ftp://x.example/", "file:///etc/passwd", "https://a@x.example/", "https://a:b@x.example/",
            "https://x.example:0/", "https://x.example:65536/", "https://x.example:+1/", "https://x.example:80a/", "https://[::1/",
            "https://[x]/", "https://[1.2.3.4]/", "https://[::1]x/", "https://x.example\\@evil.example/", "https://x example/",
            "https://é.example/", "https://-x/", "https://.x/", "https://x.example\r\nHost: y/", "javascript:1", "//x.example/",
            "https:x.example",
            "https://x.example%2f@y/", "https://" + String(repeating: "a", count: 2_000),
        ])
    func refused(text: String) { #expect(LinkAddress(text) == nil) }

    @Test(
        "leads on as RFC 3986 says, and never out of the web",
        arguments: [
            ("/b", "https://x.example:8443/b"), ("b", "https://x.example:8443/f/b"), ("?q", "https://x.example:8443/f/a?q"),
            ("//y.example/c", "https://y.example/c"), ("http://y.example/c", "http://y.example/c"),
            ("../c", "https://x.example:8443/f/../c"),
            ("file:///etc/passwd", nil), ("gopher://y/", nil), ("javascript:1", nil), ("https://u@y.example/", nil), ("//u:p@y/", nil),
            ("b:c", nil), ("/b\r\nX: y", nil),
        ] as [(String, String?)])
    func redirects(location: String, url: String?) throws {
        #expect(try #require(LinkAddress("https://x.example:8443/f/a?x=/y")).redirected(to: location)?.url == url)
    }

    @Test("of random bytes is refused, or reads back as itself")
    func random() {
        let alphabet = Array("https://:@[]?#%.x1é\\ \u{0}ab")
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let text =
                "https://"
                + String((0..<Int.random(in: 0...20, using: &generator)).compactMap { _ in alphabet.randomElement(using: &generator) })
            guard let link = LinkAddress(text) else { continue }
            #expect(LinkAddress(link.url) == link, "\(text)")
            #expect(!link.url.dropFirst(8).prefix { $0 != "/" }.contains("@"))
        }
    }
}

@Suite("The guard of strangers' links", .timeLimit(.minutes(1)))
struct LinkGuardTests {
    private static func refusal(_ link: String, allowed: [String] = [], resolving addresses: [String]?) async -> LinkGuard.Refusal? {
        let found = addresses?.compactMap { NetworkAddress($0) }
        let linkGuard = LinkGuard(allowed: Set(allowed.compactMap { LinkGuard.Endpoint($0) }), resolve: { _ in found })
        guard let address = LinkAddress(link) else { return .notAllowed }
        do { _ = try await linkGuard.check(address) } catch { return error }
        return nil
    }

    @Test("permits names whose every address is on the Internet, at the default port")
    func names() async {
        #expect(await Self.refusal("https://x.example/", resolving: ["93.184.215.14", "2606:2800:21f::1"]) == nil)
        #expect(await Self.refusal("http://x.example/", resolving: ["93.184.215.14"]) == nil)
        #expect(await Self.refusal("https://x.example/", resolving: ["93.184.215.14", "10.0.0.1"]) == .notAllowed)
        #expect(await Self.refusal("https://x.example/", resolving: ["2606:2800:21f::1", "::ffff:93.184.215.14"]) == .notAllowed)
        #expect(await Self.refusal("https://x.example:8443/", resolving: ["93.184.215.14"]) == .notAllowed)
        #expect(await Self.refusal("http://x.example:443/", resolving: ["93.184.215.14"]) == .notAllowed)
        #expect(await Self.refusal("https://x.example/", resolving: nil) == .notFound)
        #expect(await Self.refusal("https://x.example/", resolving: []) == .notFound)
        #expect(await Self.refusal("https://93.184.215.14/", resolving: nil) == nil)
        #expect(await Self.refusal("https://127.0.0.1/", resolving: ["93.184.215.14"]) == .notAllowed)
    }

    @Test("permits what an operator named, address and port, and nothing beside it")
    func allowed() async {
        let allowed = ["127.0.0.1:8443", "[fd00::1]:443"]
        #expect(await Self.refusal("https://x.example:8443/", allowed: allowed, resolving: ["127.0.0.1"]) == nil)
        #expect(await Self.refusal("https://x.example/", allowed: allowed, resolving: ["fd00::1"]) == nil)
        #expect(await Self.refusal("https://x.example:8443/", allowed: allowed, resolving: ["127.0.0.1", "::1"]) == .notAllowed)
        #expect(await Self.refusal("https://x.example/", allowed: allowed, resolving: ["127.0.0.1"]) == .notAllowed)
        #expect(await Self.refusal("https://x.example:8443/", allowed: allowed, resolving: ["127.0.0.2"]) == .notAllowed)
        #expect(await Self.refusal("https://x.example:8443/", allowed: allowed, resolving: ["93.184.215.14"]) == .notAllowed)
    }

    @Test(
        "reads no endpoint that is not an address with its port",
        arguments: ["", "127.0.0.1", "x.example:80", "::1:80", "127.0.0.1:0", "127.0.0.1:x", "[::1]"])
    func endpoints(text: String) { #expect(LinkGuard.Endpoint(text) == nil) }

    /// The name stood for an allowed address when it was checked; now it stands for loopback.
    @Test("the socket is refused to an address that was not permitted, even when the name's check was deceived")
    func rebinding() async throws {
        let server = try ScriptedServer { _ in ScriptedServer.ok("secret") }
        defer { server.stop() }
        let client = try HTTPClient(name: "test-links")
        let port = UInt16(server.port)
        let link = try #require(LinkAddress("http://x.example:\(port)/"))
        let endpoint = try #require(LinkGuard.Endpoint("127.0.0.1:\(port)"))
        let loopback = try #require(NetworkAddress("127.0.0.1"))
        func kind(_ allowed: Set<LinkGuard.Endpoint>) async -> CurlError.Kind? {
            var request = HTTPRequest(url: link.url)
            request.checkedLink = CheckedLink(link: link, addresses: [loopback], guardian: LinkGuard(allowed: allowed))
            do { _ = try await client.send(request) } catch { return error.kind }
            return nil
        }
        #expect(await kind([]) == .notPermitted)
        #expect(server.requests.isEmpty)
        #expect(await kind([endpoint]) == nil)
        #expect(server.requests.count == 1 && server.requests.first?.head.contains("Host: x.example:\(port)") == true)
        // The connection was not kept for others.
        #expect(await kind([]) == .notPermitted)
        await client.close()
    }

    @Test("a name that is looked up once is not looked up again by the client")
    func pinned() async throws {
        let server = try ScriptedServer { _ in ScriptedServer.ok("photo") }
        defer { server.stop() }
        let client = try HTTPClient(name: "test-links")
        // No resolver in the world knows this name.
        let link = try #require(LinkAddress("http://no-such-name.invalid:\(server.port)/"))
        let loopback = try #require(NetworkAddress("127.0.0.1"))
        let linkGuard = LinkGuard(allowed: [try #require(LinkGuard.Endpoint("127.0.0.1:\(server.port)"))], resolve: { _ in [loopback] })
        var request = HTTPRequest(url: link.url)
        request.checkedLink = try await linkGuard.check(link)
        #expect(try await client.send(request).status == 200)
        await client.close()
    }
}
