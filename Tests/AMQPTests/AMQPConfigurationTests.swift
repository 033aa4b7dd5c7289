import AMQP
import Testing

@Suite("A broker URI")
struct AMQPConfigurationTests {
    @Test("is read in full")
    func full() throws {
        let uri = "amqps://re%6Cay:p%40ss%3Aw%2Ford@broker.example:5999/city%2Fone?heartbeat=7&connection_timeout=2500"
        let configuration = try AMQPConfiguration(uri: uri + "&name=relay%201&cacertfile=%2Fetc%2Fca.pem")
        #expect(configuration.host == "broker.example")
        #expect(configuration.port == 5_999)
        #expect(configuration.user == "relay")
        #expect(configuration.password == "p@ss:w/ord")
        #expect(configuration.virtualHost == "city/one")
        #expect(configuration.heartbeat == 7)
        #expect(configuration.handshakeTimeout == .milliseconds(2_500))
        #expect(configuration.connectionName == "relay 1")
        #expect(configuration.tls == AMQPConfiguration.TLS(caFile: "/etc/ca.pem"))
    }

    @Test("needs only a host")
    func defaults() throws {
        let configuration = try AMQPConfiguration(uri: "AMQP://[::1]")
        #expect(configuration == AMQPConfiguration(host: "::1", port: 5_672, user: "guest", password: "guest"))
        #expect(try AMQPConfiguration(uri: "amqps://h").port == 5_671)
    }

    @Test("may list the nodes of a cluster; a port left out is the scheme's")
    func hosts() throws {
        let configuration = try AMQPConfiguration(uri: "amqps://u:p,q@a.example,b.example:5999,[::1]/city")
        #expect(configuration.endpoints.map(\.description) == ["a.example:5671", "b.example:5999", "[::1]:5671"])
        #expect(configuration.password == "p,q")
        #expect("\(configuration)".contains("a.example:5671,b.example:5999,[::1]:5671"))
        let many = (0...AMQPConfiguration.maximumHosts).map { "h\($0)" }.joined(separator: ",")
        #expect(throws: AMQPURIError.tooManyHosts) { try AMQPConfiguration(uri: "amqp://\(many)") }
    }

    @Test("may switch certificate checks off, in so many words")
    func unverified() throws {
        let tls = try #require(try AMQPConfiguration(uri: "amqps://h?verify=verify_none").tls)
        #expect(!tls.verifiesPeer && !tls.verifiesHostName)
    }

    @Test("may log in by a client certificate")
    func certificate() throws {
        let uri = "amqps://h/v?certfile=%2Fetc%2Fme.pem&keyfile=%2Fetc%2Fme.key&auth_mechanism=external"
        let configuration = try AMQPConfiguration(uri: uri)
        #expect(configuration.tls?.identity == .init(certificateFile: "/etc/me.pem", keyFile: "/etc/me.key"))
        #expect(configuration.logsInByCertificate)
        #expect(try !AMQPConfiguration(uri: "amqps://h?auth_mechanism=plain").logsInByCertificate)
    }

    @Test(
        "is refused for a reason that it states",
        arguments: [
            ("http://h", AMQPURIError.unknownScheme),
            ("", .unknownScheme),
            ("amqp:h", .unknownScheme),
            ("amqp://", .missingHost),
            ("amqp://u:p@:5672", .missingHost),
            ("amqp://[::1", .missingHost),
            ("amqp://a,,b", .missingHost),
            ("amqp://a,b:0", .invalidPort),
            ("amqp://h:0", .invalidPort),
            ("amqp://h:65536", .invalidPort),
            ("amqp://h:+1", .invalidPort),
            ("amqp://h:", .invalidPort),
            ("amqp://h/", .emptyVirtualHost),
            ("amqp://h/a/b", .invalidPath),
            ("amqp://h/a#b", .invalidPath),
            ("amqp://u:%zz@h", .malformedEncoding(part: "password")),
            ("amqp://u:%F@h", .malformedEncoding(part: "password")),
            ("amqp://%FF@h", .malformedEncoding(part: "user")),
            ("amqp://h?heartbeat=0", .invalidParameter(name: "heartbeat")),
            ("amqp://h?heartbeat=5&heartbeat=6", .invalidParameter(name: "heartbeat")),
            ("amqp://h?frame_max=1", .invalidParameter(name: "frame_max")),
            ("amqp://h?verify=verify_none", .invalidParameter(name: "verify")),
            ("amqp://h?certfile=a&keyfile=b", .invalidParameter(name: "certfile")),
            ("amqps://h?certfile=a", .invalidParameter(name: "keyfile")),
            ("amqps://h?auth_mechanism=external", .invalidParameter(name: "auth_mechanism")),
            ("amqps://h?auth_mechanism=anonymous", .invalidParameter(name: "auth_mechanism")),
        ]
    )
    func refused(uri: String, expected: AMQPURIError) {
        #expect(throws: expected) { try AMQPConfiguration(uri: uri) }
    }

    @Test("of any parts comes back as these parts", arguments: 0..<200)
    func roundTrip(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let alphabet = Array("ab/:@?#%&=[] é😀\u{0}\"'+~")
        func text(_ minimum: Int = 0) -> String {
            let length = Int.random(in: minimum...12, using: &random)
            return String((0..<length).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] })
        }
        func encoded(_ text: String) -> String {
            text.utf8.map { byte in
                let hexadecimal = String(byte, radix: 16, uppercase: .random(using: &random))
                return "%" + (hexadecimal.count == 1 ? "0" : "") + hexadecimal
            }.joined()
        }
        let (user, password, virtualHost) = (text(), text(), text(1))
        let port = UInt16.random(in: 1...UInt16.max, using: &random)
        let uri = "amqp://\(encoded(user)):\(encoded(password))@host:\(port)/\(encoded(virtualHost))"
        let configuration = try AMQPConfiguration(uri: uri)
        #expect(configuration.user == user)
        #expect(configuration.password == password)
        #expect(configuration.virtualHost == virtualHost)
        #expect(configuration.port == port)
    }

    @Test("of any characters is read or refused, never worse", arguments: 0..<500)
    func fuzz(seed: UInt64) {
        var random = SplitMix(state: seed)
        let pieces = [
            "amqp", ",", "amqps", "://", ":", "@", "/", "?", "#", "%", "%41", "%c3", "é", "[", "]", "&", "=", "heartbeat", "5", "h",
        ]
        var uri = Bool.random(using: &random) ? "amqp://" : ""
        for _ in 0..<Int.random(in: 0...12, using: &random) { uri += pieces[Int.random(in: 0..<pieces.count, using: &random)] }
        guard let configuration = try? AMQPConfiguration(uri: uri) else { return }
        #expect(!configuration.host.isEmpty && configuration.port > 0 && !configuration.virtualHost.isEmpty)
    }

    @Test("never shows its password")
    func redacted() throws {
        let configuration = try AMQPConfiguration(uri: "amqp://relay:s3cret@h")
        var dumped = ""
        dump(configuration, to: &dumped)
        for text in ["\(configuration)", String(reflecting: configuration), dumped] { #expect(!text.contains("s3cret")) }
        #expect("\(configuration)".contains("relay"))
        #expect(throws: AMQPURIError.self) { try AMQPConfiguration(uri: "amqp://relay:s3cret@h:x") }
        do { _ = try AMQPConfiguration(uri: "amqp://relay:s3cret%@h") } catch { #expect(!"\(error)".contains("s3cret")) }
    }

    @Test("with a setting out of range is refused before anything is tried")
    func validated() throws {
        var configuration = AMQPConfiguration(user: "guest", password: "guest", heartbeat: 0)
        let error = #expect(throws: AMQPError.self) { try ConfirmedPublisher(configuration: configuration) }
        guard case .invalidConfiguration(let reason) = error?.kind else {
            Issue.record("not about the configuration: \(String(describing: error))")
            return
        }
        #expect(reason.contains("heartbeat"))
        configuration.heartbeat = 5
        let refusal = #expect(throws: AMQPError.self) { try Consumer(configuration: configuration, queue: "q", prefetch: 0) }
        #expect(refusal?.description.contains("prefetch") == true)
    }
}
