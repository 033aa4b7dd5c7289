import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// The address of whoever calls, as 128 bits: IPv6, or IPv4 mapped into it.
struct ClientAddress: Sendable, Hashable {
    let high: UInt64
    let low: UInt64

    private static let mappedPrefix: UInt64 = 0xFFFF << 32

    /// Nil for a socket that is not of the Internet.
    init?(_ address: SocketAddress) {
        let offset: Int
        switch address.protocol {
        case .inet: offset = 4
        case .inet6: offset = 8
        default: return nil
        }
        let isIPv4 = address.protocol == .inet
        let bytes = address.withSockAddr { socketAddress, size in
            Array(UnsafeRawBufferPointer(start: socketAddress, count: size).dropFirst(offset).prefix(isIPv4 ? 4 : 16))
        }
        self.init(bytes)
    }

    /// Reads `192.0.2.7` or `2001:db8::7`, without a port.
    init?(parsing text: String) {
        guard text.utf8.count <= 45 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 {
            self.init(Array(bytes.prefix(4)))
        } else if inet_pton(AF_INET6, text, &bytes) == 1 {
            self.init(bytes)
        } else {
            return nil
        }
    }

    /// - Parameter bytes: 4 or 16, in network order.
    private init(_ bytes: [UInt8]) {
        let word = { (bytes: ArraySlice<UInt8>) in bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
        if bytes.count == 4 {
            self.init(high: 0, low: Self.mappedPrefix | word(bytes[...]))
        } else {
            self.init(high: word(bytes.prefix(8)), low: word(bytes.suffix(8)))
        }
    }

    var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }
    var isLoopback: Bool { isIPv4 ? low >> 24 & 0xFF == 127 : high == 0 && low == 1 }

    /// What shares one limit: an IPv4 address, or the /64 that one IPv6 subscriber holds.
    var subscriber: ClientAddress { isIPv4 ? self : ClientAddress(high: high, low: 0) }

    private init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The first `bits` bits, the others zero.
    func masked(_ bits: Int) -> ClientAddress {
        let mask = { (count: Int) -> UInt64 in count <= 0 ? 0 : count >= 64 ? .max : ~(.max >> UInt64(count)) }
        return ClientAddress(high: high & mask(bits), low: low & mask(bits - 64))
    }
}

/// The proxies whose `X-Forwarded-For` is believed.
public struct TrustedProxies: Sendable {
    private let ranges: [(network: ClientAddress, bits: Int)]

    public static let none = TrustedProxies(ranges: [])

    /// - Parameter text: addresses and networks, as in `127.0.0.1, 10.0.0.0/8, 2001:db8::/32`; empty for none.
    /// - Returns: nil when one of them is no address.
    public init?(parsing text: String) {
        var ranges: [(network: ClientAddress, bits: Int)] = []
        for word in text.split(whereSeparator: { $0 == "," || $0 == " " }) {
            let parts = word.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            guard let address = ClientAddress(parsing: String(parts[0])) else { return nil }
            let width = address.isIPv4 ? 32 : 128
            guard let bits = parts.count == 1 ? width : Int(parts[1]), (0...width).contains(bits) else { return nil }
            let total = bits + 128 - width
            ranges.append((address.masked(total), total))
        }
        self.init(ranges: ranges)
    }

    private init(ranges: [(network: ClientAddress, bits: Int)]) { self.ranges = ranges }

    func contain(_ address: ClientAddress) -> Bool { ranges.contains { address.masked($0.bits) == $0.network } }

    /// Who calls: the peer itself, or what the trusted proxies between say, read from the nearest outwards. Whoever is not
    /// trusted can write what he likes further left.
    ///
    /// - Parameter forwarded: the values of `X-Forwarded-For`, in order.
    func caller(peer: ClientAddress, forwarded: [String]) -> ClientAddress {
        guard !forwarded.isEmpty, contain(peer) else { return peer }
        var caller = peer
        for hop in forwarded.joined(separator: ",").split(separator: ",").reversed().prefix(Self.maximumHops) {
            guard let address = ClientAddress(parsing: hop.filter { $0 != " " }) else { return caller }
            caller = address
            if !contain(address) { return caller }
        }
        return caller
    }

    private static let maximumHops = 16
}
