/// Why a text is no AMQP URI. The text itself is never repeated: it may hold a password.
public enum AMQPURIError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Neither `amqp://` nor `amqps://`.
    case unknownScheme
    /// A `%` without two hexadecimal digits, or bytes that are no UTF-8, in the named part.
    case malformedEncoding(part: String)
    case invalidPort
    case missingHost
    case tooManyHosts
    /// `amqp://host/` names the empty virtual host, which is rarely meant.
    case emptyVirtualHost
    /// More than one `/` after the host, or a fragment.
    case invalidPath
    /// A query parameter that is unknown, given twice, or whose value is out of range.
    case invalidParameter(name: String)

    public var description: String {
        switch self {
        case .unknownScheme: "the broker URI must begin with amqp:// or amqps://"
        case .malformedEncoding(let part): "the \(part) of the broker URI is not percent-encoded UTF-8; encode special characters as %XX"
        case .invalidPort: "the port of the broker URI must be a number from 1 to 65535"
        case .missingHost: "the broker URI names no host, or has an empty one in its list; write host:port,host:port"
        case .tooManyHosts: "the broker URI names more than \(AMQPConfiguration.maximumHosts) hosts"
        case .emptyVirtualHost: "the broker URI ends in '/', the empty virtual host; leave the '/' out or write %2F for the default one"
        case .invalidPath: "the broker URI has more than a virtual host after the host; write '/' inside its name as %2F, '#' as %23"
        case .invalidParameter(let name):
            "the parameter \"\(name)\" of the broker URI is unknown, repeated, missing or out of range; "
                + "known: heartbeat (s), connection_timeout (ms), name, and for amqps cacertfile, verify (verify_peer or verify_none), "
                + "certfile, keyfile and auth_mechanism (plain or external)"
        }
    }
}

extension AMQPConfiguration {
    /// Reads `amqp://user:password@host:port/vhost?parameters`, or `amqps://` for TLS.
    ///
    /// The host may be a list, `host:port,host:port`: the nodes of one cluster. Every part but the port may be percent-encoded. Absent parts: user and password `guest`, port 5672 (5671 with TLS), virtual
    /// host `/`. Parameters: `heartbeat` in seconds, `connection_timeout` in milliseconds, `name`, and with TLS `cacertfile` and
    /// `verify=verify_peer|verify_none`, `certfile` and `keyfile` of a client certificate, `auth_mechanism=plain|external`: external
    /// logs in by that certificate.
    ///
    /// - Throws: ``AMQPURIError``; it repeats nothing of the credentials.
    public init(uri: String) throws(AMQPURIError) {
        var rest = Substring(uri)
        let usesTLS: Bool
        let separator = rest.firstRange(of: "://")
        switch separator.map({ rest[..<$0.lowerBound].lowercased() }) {
        case "amqp": usesTLS = false
        case "amqps": usesTLS = true
        default: throw .unknownScheme
        }
        rest = separator.map { rest[$0.upperBound...] } ?? ""
        guard !rest.contains("#") else { throw .invalidPath }

        let query = rest.cutTail(after: "?")
        let path = rest.cutTail(after: "/")
        var user: String?
        var password: String?
        if let at = rest.lastIndex(of: "@") {
            var credentials = rest[..<at]
            rest = rest[rest.index(after: at)...]
            password = try credentials.cutTail(after: ":").map { text throws(AMQPURIError) in
                try percentDecoded(text, part: "password")
            }
            user = try percentDecoded(credentials, part: "user")
        }
        var endpoints: [Endpoint] = []
        for part in rest.split(separator: ",", omittingEmptySubsequences: false) {
            let (host, port) = try Self.authority(part)
            endpoints.append(Endpoint(host: host, port: port ?? Self.standardPort(withTLS: usesTLS)))
        }
        guard endpoints.count <= Self.maximumHosts else { throw .tooManyHosts }
        guard let first = endpoints.first else { throw .missingHost }
        self.init(
            host: first.host,
            port: first.port,
            virtualHost: try Self.virtualHost(path),
            user: user ?? "guest",
            password: password ?? "guest",
            tls: usesTLS ? TLS() : nil
        )
        otherHosts = Array(endpoints.dropFirst())
        if let query { try read(parameters: query) }
        if let identity = tls?.identity, identity.certificateFile.isEmpty || identity.keyFile.isEmpty {
            throw .invalidParameter(name: identity.certificateFile.isEmpty ? "certfile" : "keyfile")
        }
        if logsInByCertificate && tls?.identity == nil { throw .invalidParameter(name: "auth_mechanism") }
    }

    private static func authority(_ text: Substring) throws(AMQPURIError) -> (host: String, port: UInt16?) {
        var host = text
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw .missingHost }
            let after = text[text.index(after: end)...]
            guard after.isEmpty || after.hasPrefix(":") else { throw .invalidPort }
            port = after.isEmpty ? nil : after.dropFirst()
            host = text[..<end].dropFirst()
        } else {
            port = host.cutTail(after: ":")
        }
        let name = try percentDecoded(host, part: "host")
        guard !name.isEmpty else { throw .missingHost }
        guard let port else { return (name, nil) }
        guard port.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt16(port), number > 0 else { throw .invalidPort }
        return (name, number)
    }

    private static func virtualHost(_ path: Substring?) throws(AMQPURIError) -> String {
        guard let path else { return "/" }
        guard !path.isEmpty else { throw .emptyVirtualHost }
        guard !path.contains("/") else { throw .invalidPath }
        return try percentDecoded(path, part: "virtual host")
    }

    private mutating func read(parameters query: Substring) throws(AMQPURIError) {
        var seen: Set<String> = []
        for pair in query.split(separator: "&") {
            var key = pair
            let raw = key.cutTail(after: "=") ?? ""
            let name = try percentDecoded(key, part: "query")
            let value = try percentDecoded(raw, part: "query")
            guard seen.insert(name).inserted else { throw .invalidParameter(name: name) }
            switch name {
            case "heartbeat":
                guard let seconds = Int(value), (1...3_600).contains(seconds) else { throw .invalidParameter(name: name) }
                heartbeat = seconds
            case "connection_timeout":
                guard let limit = Int(value), (1...3_600_000).contains(limit) else { throw .invalidParameter(name: name) }
                handshakeTimeout = .milliseconds(limit)
            case "name":
                connectionName = value
            case "cacertfile" where tls != nil:
                tls?.caFile = value
            case "verify" where tls != nil:
                guard value == "verify_peer" || value == "verify_none" else { throw .invalidParameter(name: name) }
                tls?.verifiesPeer = value == "verify_peer"
                tls?.verifiesHostName = value == "verify_peer"
            case "certfile" where tls != nil, "keyfile" where tls != nil:
                guard !value.isEmpty else { throw .invalidParameter(name: name) }
                var identity = tls?.identity ?? .init(certificateFile: "", keyFile: "")
                if name == "certfile" { identity.certificateFile = value } else { identity.keyFile = value }
                tls?.identity = identity
            case "auth_mechanism" where tls != nil:
                guard value == "plain" || value == "external" else { throw .invalidParameter(name: name) }
                logsInByCertificate = value == "external"
            default:
                throw .invalidParameter(name: name)
            }
        }
    }
}

extension Substring {
    /// Cuts at the first `separator` and answers what followed it; nil, and nothing cut, when there is none.
    fileprivate mutating func cutTail(after separator: Character) -> Substring? {
        guard let index = firstIndex(of: separator) else { return nil }
        let tail = self[self.index(after: index)...]
        self = self[..<index]
        return tail
    }
}

private func percentDecoded(_ text: Substring, part: String) throws(AMQPURIError) -> String {
    func digit(_ byte: UInt8?) -> UInt8? {
        switch byte {
        case .some(let byte) where (48...57).contains(byte): byte - 48
        case .some(let byte) where (65...70).contains(byte): byte - 55
        case .some(let byte) where (97...102).contains(byte): byte - 87
        default: nil
        }
    }
    var bytes: [UInt8] = []
    var iterator = text.utf8.makeIterator()
    while let byte = iterator.next() {
        guard byte == UInt8(ascii: "%") else {
            bytes.append(byte)
            continue
        }
        guard let high = digit(iterator.next()), let low = digit(iterator.next()) else { throw .malformedEncoding(part: part) }
        bytes.append(high << 4 | low)
    }
    guard let decoded = String(validating: bytes, as: UTF8.self) else { throw .malformedEncoding(part: part) }
    return decoded
}
