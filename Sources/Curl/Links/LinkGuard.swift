import Dispatch

#if canImport(Glibc)
    import Glibc
#endif

/// Decides where a stranger's link may lead: to hosts on the Internet at the default ports, and to what an operator names one by one.
public struct LinkGuard: Sendable {
    /// An address and a port that are allowed although they are private, or not the default.
    public struct Endpoint: Sendable, Hashable {
        public let address: NetworkAddress
        public let port: UInt16

        /// - Parameter text: `10.1.2.3:443`, `[fd00::1]:8443`.
        public init?(_ text: some StringProtocol) {
            guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else { return nil }
            var host = text[..<colon]
            if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() } else if host.contains(":") { return nil }
            guard let address = NetworkAddress(host) else { return nil }
            self.address = address
            self.port = port
        }
    }

    /// Why a link is not followed.
    public enum Refusal: Error, Sendable, Equatable {
        /// Nobody has this name, or its servers do not answer: later perhaps.
        case notFound
        case notAllowed
    }

    /// What a name stands for; nil when that cannot be found out.
    public typealias Resolver = @Sendable (_ host: String) async -> [NetworkAddress]?

    public var allowed: Set<Endpoint>
    private let resolve: Resolver

    /// - Parameters:
    ///   - allowed: empty, unless there is an internal host that strangers may make us ask.
    ///   - resolve: the system's, unless said otherwise.
    public init(allowed: Set<Endpoint> = [], resolve: @escaping Resolver = LinkGuard.systemResolver) {
        self.allowed = allowed
        self.resolve = resolve
    }

    /// Whether a connection to this very address may be made.
    public func permits(_ address: NetworkAddress, port: UInt16, isDefaultPort: Bool) -> Bool {
        address.purpose == .global && isDefaultPort || allowed.contains(Endpoint(address, port))
    }

    /// Looks up a link's host, once: what is returned is what may be connected to, and nothing is looked up again.
    ///
    /// - Throws: ``Refusal`` `notAllowed` when any one of its addresses is not permitted: a name with two faces is nobody's photo.
    public func check(_ link: LinkAddress) async throws(Refusal) -> CheckedLink {
        let isDefault = link.hasDefaultPort
        guard isDefault || allowed.contains(where: { $0.port == link.port }) else { throw .notAllowed }
        let found: [NetworkAddress]
        if let literal = NetworkAddress(link.host) {
            found = [literal]
        } else {
            guard let resolved = await resolve(link.host), !resolved.isEmpty else { throw .notFound }
            found = resolved
        }
        guard found.allSatisfy({ permits($0, port: link.port, isDefaultPort: isDefault) }) else { throw .notAllowed }
        return CheckedLink(link: link, addresses: Array(found.prefix(8)), guardian: self)
    }

    /// The system's resolver, away from the threads that everybody shares.
    public static let systemResolver: Resolver = { host in
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: addresses(of: host)) }
        }
    }

    private static func addresses(of host: String) -> [NetworkAddress]? {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { return nil }
        defer { freeaddrinfo(list) }
        var found: [NetworkAddress] = []
        var next = list
        while let entry = next {
            if let address = entry.pointee.ai_addr,
                let endpoint = NetworkAddress.endpoint(UnsafeRawPointer(address), length: Int(entry.pointee.ai_addrlen))
            {
                found.append(endpoint.address)
            }
            next = entry.pointee.ai_next
        }
        return found
    }
}

extension LinkGuard.Endpoint {
    init(_ address: NetworkAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }
}

/// A link whose host was looked up and found permitted. A request to it connects to these addresses and to no other, whatever the
/// name stands for by then.
public struct CheckedLink: Sendable {
    public let link: LinkAddress
    let addresses: [NetworkAddress]
    let guardian: LinkGuard

    /// `host:port:address,address`, as libcurl's own table of names takes it.
    /// Nil for a link that names its address itself.
    var resolution: String? {
        guard NetworkAddress(link.host) == nil else { return nil }
        let list = addresses.map { if case .v6 = $0 { "[\($0)]" } else { "\($0)" } }.joined(separator: ",")
        return "\(link.host):\(link.port):\(list)"
    }

    /// Asked for the very address of each connection.
    func permits(_ address: NetworkAddress, port: UInt16) -> Bool {
        guardian.permits(address, port: port, isDefaultPort: link.hasDefaultPort && port == link.port)
    }
}
