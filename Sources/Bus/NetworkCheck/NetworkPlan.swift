/// What a CRM's site must be able to reach.
public struct NetworkPlan: Sendable, Hashable {
    /// One outgoing connection.
    public struct Destination: Sendable, Hashable {
        public enum Purpose: String, Sendable, Hashable {
            /// Messages; of several ways to the broker, one is enough.
            case broker
            /// Statuses and reference data.
            case api
        }

        public var host: String
        public var port: UInt16
        public var purpose: Purpose
        /// False only for a broker of tests.
        public var usesTLS: Bool

        public init(host: String, port: UInt16, purpose: Purpose, usesTLS: Bool = true) {
            (self.host, self.port, self.purpose, self.usesTLS) = (host, port, purpose, usesTLS)
        }

        public var name: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
    }

    public var destinations: [Destination]
    /// Seconds between two signs of life on a quiet connection, as CRMs are told to configure it.
    public var heartbeat: Int

    public init(destinations: [Destination], heartbeat: Int = 15) {
        self.destinations = destinations
        self.heartbeat = heartbeat
    }

    /// What a device on the way must let a quiet connection last, in seconds: two heartbeats.
    public var idleLimit: Int { 2 * heartbeat }
    public var brokers: [Destination] { destinations.filter { $0.purpose == .broker } }
    public var apis: [Destination] { destinations.filter { $0.purpose == .api } }

    /// The ports of AMQP over TLS: its own, and the one that every network lets out.
    public static let brokerPorts: [UInt16] = [5_671, 443]

    /// Reads `host`, `host:port` or `[address]:port`, several with commas; without a port both of ``brokerPorts``.
    ///
    /// - Returns: nil when it is no such list.
    public static func brokers(parsing text: String) -> [Destination]? {
        var found: [Destination] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let part = part.trimmingPrefix { $0 == " " }
            var host = part
            var port: Substring?
            if part.hasPrefix("[") {
                guard let end = part.firstIndex(of: "]") else { return nil }
                let rest = part[part.index(after: end)...]
                guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
                (host, port) = (part[..<end].dropFirst(), rest.isEmpty ? nil : rest.dropFirst())
            } else if let colon = part.lastIndex(of: ":") {
                (host, port) = (part[..<colon], part[part.index(after: colon)...])
            }
            guard isHost(host, mayBeIPv6: part.hasPrefix("[")) else { return nil }
            guard let port else {
                found += brokerPorts.map { Destination(host: String(host), port: $0, purpose: .broker) }
                continue
            }
            guard port.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt16(port), number > 0 else { return nil }
            found.append(Destination(host: String(host), port: number, purpose: .broker))
        }
        return found.count <= 16 ? found : nil
    }

    /// Reads the base address of an API: `https://host` with port and path if need be.
    public static func api(parsing text: String) -> Destination? {
        guard text.hasPrefix("https://") else { return nil }
        let authority = text.dropFirst(8).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !authority.contains(","), var destination = brokers(parsing: String(authority))?.last else { return nil }
        destination.purpose = .api
        return destination
    }

    private static func isHost(_ text: Substring, mayBeIPv6: Bool) -> Bool {
        let isPlain = text.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (97...122).contains(byte | 32) || byte == 45 || byte == 46 || (mayBeIPv6 && byte == 58)
        }
        return isPlain && (1...253).contains(text.utf8.count) && text.first != "-" && text.first != "."
    }
}
