/// Where the broker is and how to talk to it. One value serves publishers, consumers and channels; each opens its own connection.
///
/// The password never shows in a description, a dump or an error.
public struct AMQPConfiguration: Sendable, Hashable {
    /// How the connection is encrypted and the broker recognised.
    public struct TLS: Sendable, Hashable {
        /// PEM file of the certification authorities to trust; by default those of a Debian system.
        public var caFile: String
        /// Refuse a broker whose certificate no trusted authority signed.
        public var verifiesPeer: Bool
        /// Refuse a broker whose certificate is for another host name.
        public var verifiesHostName: Bool
        /// Our own certificate; nil for none.
        public var identity: Identity?

        /// A client certificate and its key, PEM files. The broker takes the user's name from the certificate's common name.
        public struct Identity: Sendable, Hashable {
            /// The certificate, and behind it those between it and the authority that the broker knows.
            public var certificateFile: String
            /// Without a pass phrase.
            public var keyFile: String

            public init(certificateFile: String, keyFile: String) {
                self.certificateFile = certificateFile
                self.keyFile = keyFile
            }
        }

        public init(
            caFile: String = "/etc/ssl/certs/ca-certificates.crt",
            verifiesPeer: Bool = true,
            verifiesHostName: Bool = true,
            identity: Identity? = nil
        ) {
            self.caFile = caFile
            self.verifiesPeer = verifiesPeer
            self.verifiesHostName = verifiesHostName
            self.identity = identity
        }
    }

    /// One way to the broker.
    public struct Endpoint: Sendable, Hashable {
        /// Host name or address, without brackets.
        public var host: String
        public var port: UInt16

        public init(host: String, port: UInt16) {
            self.host = host
            self.port = port
        }
    }

    /// More hosts than any cluster has: the budget of a connection is shared among them.
    public static let maximumHosts = 16

    /// Host name or address, without brackets.
    public var host: String
    public var port: UInt16
    /// Other nodes of the same cluster: each connection tries all, in an order of its own.
    public var otherHosts: [Endpoint]
    public var virtualHost: String
    public var user: String
    public var password: String
    /// Seconds, 1 to 3600. A silent broker is given up after twice this time.
    public var heartbeat: Int
    /// What the broker's management tools call this connection.
    public var connectionName: String
    /// Limit for everything up to an open channel, after the host name is resolved; above zero. Several hosts share it.
    public var handshakeTimeout: Duration
    /// Limit for each later request and its answer; above zero.
    public var rpcTimeout: Duration
    /// How long a write may make no progress before the connection is cut; above zero.
    public var publishTimeout: Duration
    /// Nil for a connection in clear.
    public var tls: TLS?
    /// Log in by the certificate in ``TLS/identity`` (SASL EXTERNAL): user and password are not used.
    public var logsInByCertificate = false

    public init(
        host: String = "localhost",
        port: UInt16? = nil,
        virtualHost: String = "/",
        user: String,
        password: String,
        heartbeat: Int = 15,
        connectionName: String = "bus311",
        handshakeTimeout: Duration = .seconds(10),
        rpcTimeout: Duration = .seconds(10),
        publishTimeout: Duration = .seconds(20),
        tls: TLS? = nil
    ) {
        self.host = host
        self.port = port ?? Self.standardPort(withTLS: tls != nil)
        otherHosts = []
        self.virtualHost = virtualHost
        self.user = user
        self.password = password
        self.heartbeat = heartbeat
        self.connectionName = connectionName
        self.handshakeTimeout = handshakeTimeout
        self.rpcTimeout = rpcTimeout
        self.publishTimeout = publishTimeout
        self.tls = tls
    }

    static func standardPort(withTLS usesTLS: Bool) -> UInt16 { usesTLS ? 5_671 : 5_672 }

    /// Every way to the broker.
    public var endpoints: [Endpoint] { [Endpoint(host: host, port: port)] + otherHosts }

    /// The same with one host only.
    func only(_ endpoint: Endpoint) -> AMQPConfiguration {
        var copy = self
        (copy.host, copy.port, copy.otherHosts) = (endpoint.host, endpoint.port, [])
        return copy
    }

    /// The place an error speaks of: hosts, ports and virtual host, no credentials.
    var server: String { "\(endpoints.map(\.description).joined(separator: ",")), virtual host \"\(virtualHost)\"" }

    /// - Throws: an ``AMQPError`` of kind `invalidConfiguration` that names the first setting out of range.
    func validate() throws(AMQPError) {
        func refuse(_ reason: String) -> AMQPError { AMQPError(.invalidConfiguration(reason), server: server) }
        guard endpoints.allSatisfy({ !$0.host.isEmpty }) else { throw refuse("the host is empty") }
        guard endpoints.count <= Self.maximumHosts else {
            throw refuse("there are \(endpoints.count) hosts; give \(Self.maximumHosts) at most")
        }
        guard (1...3_600).contains(heartbeat) else { throw refuse("heartbeat is \(heartbeat) s; give 1 to 3600") }
        if logsInByCertificate && tls?.identity == nil {
            throw refuse("a login by certificate needs amqps:// with certfile and keyfile")
        }
        let limits = [("handshakeTimeout", handshakeTimeout), ("rpcTimeout", rpcTimeout), ("publishTimeout", publishTimeout)]
        for (name, limit) in limits where limit < .milliseconds(1) || limit > .seconds(3_600) {
            throw refuse("\(name) is \(limit); give 1 ms to 1 h")
        }
        let texts =
            [
                ("virtual host", virtualHost), ("user", user), ("password", password), ("connection name", connectionName),
            ] + endpoints.map { ("host", $0.host) }
        for (name, text) in texts where text.utf8.contains(0) || text.utf8.count > 255 {
            throw refuse("the \(name) has a NUL or more than 255 bytes")
        }
    }
}

extension AMQPConfiguration.Endpoint: CustomStringConvertible {
    /// As in a URI: an IPv6 address stands in brackets.
    public var description: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
}

extension AMQPConfiguration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String {
        "\(tls == nil ? "amqp" : "amqps")://\(user):***@\(server), heartbeat \(heartbeat) s, name \"\(connectionName)\""
    }

    public var debugDescription: String { description }

    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
