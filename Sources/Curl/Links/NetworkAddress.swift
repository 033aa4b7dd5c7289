#if canImport(Glibc)
    import Glibc
#endif

/// An IPv4 or IPv6 address, and what it is for. Whoever follows a stranger's link connects to ``Purpose/global`` ones only.
public enum NetworkAddress: Sendable, Hashable {
    case v4(UInt32)
    case v6(high: UInt64, low: UInt64)

    /// What IANA's special-purpose registries (RFC 6890 and its successors) reserve an address for.
    public enum Purpose: String, Sendable, CaseIterable {
        /// A host on the Internet.
        case global
        /// `0.0.0.0/8`, `::`: "this host", which many systems take for themselves.
        case unspecified
        case loopback
        /// RFC 1918.
        case privateUse
        /// With the cloud providers' metadata services in it.
        case linkLocal
        /// `100.64.0.0/10`, shared behind a provider's NAT.
        case carrierGrade
        case multicast
        case documentation
        case benchmark
        /// `::ffff:0:0/96`: an IPv4 address in disguise.
        case mapped
        /// An IPv4 address in disguise, or the relays that undo it.
        case sixToFour
        case teredo
        /// NAT64: an IPv4 address in disguise.
        case translated
        /// `fc00::/7`.
        case uniqueLocal
        /// `fec0::/10`, abandoned, and still routed inside old networks.
        case siteLocal
        /// Everything else that is no host on the Internet.
        case reserved
    }

    public var purpose: Purpose {
        switch self {
        case .v4(let address):
            Self.rangesOf4.first { $0.holds(address) }?.purpose ?? .global
        case .v6(let high, let low):
            Self.rangesOf6.first { $0.holds(high, low) }?.purpose ?? .reserved
        }
    }

    private struct Range4 {
        let prefix: UInt32
        let length: UInt32
        let purpose: Purpose

        init(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ length: UInt32, _ purpose: Purpose) {
            prefix = a << 24 | b << 16 | c << 8
            self.length = length
            self.purpose = purpose
        }

        func holds(_ address: UInt32) -> Bool { (prefix ^ address) >> (32 - length) == 0 }
    }

    private static let rangesOf4 = [
        Range4(0, 0, 0, 8, .unspecified), Range4(10, 0, 0, 8, .privateUse), Range4(100, 64, 0, 10, .carrierGrade),
        Range4(127, 0, 0, 8, .loopback), Range4(169, 254, 0, 16, .linkLocal), Range4(172, 16, 0, 12, .privateUse),
        Range4(192, 0, 0, 24, .reserved), Range4(192, 0, 2, 24, .documentation), Range4(192, 88, 99, 24, .sixToFour),
        Range4(192, 168, 0, 16, .privateUse), Range4(198, 18, 0, 15, .benchmark), Range4(198, 51, 100, 24, .documentation),
        Range4(203, 0, 113, 24, .documentation), Range4(224, 0, 0, 4, .multicast), Range4(240, 0, 0, 4, .reserved),
    ]

    private struct Range6 {
        let high: UInt64
        let low: UInt64
        let length: UInt64
        let purpose: Purpose

        init(_ high: UInt64, low: UInt64 = 0, _ length: UInt64, _ purpose: Purpose) {
            self.high = high
            self.low = low
            self.length = length
            self.purpose = purpose
        }

        func holds(_ otherHigh: UInt64, _ otherLow: UInt64) -> Bool {
            guard length > 64 else { return (high ^ otherHigh) >> (64 - length) == 0 }
            return high == otherHigh && (low ^ otherLow) >> (128 - length) == 0
        }
    }

    /// The first that holds counts: what is narrower stands in front.
    private static let rangesOf6 = [
        Range6(0, 128, .unspecified), Range6(0, low: 1, 128, .loopback), Range6(0, low: 0xFFFF_0000_0000, 96, .mapped),
        Range6(0x0064_FF9B_0000_0000, 96, .translated), Range6(0x0064_FF9B_0001_0000, 48, .translated),
        Range6(0xFC00_0000_0000_0000, 7, .uniqueLocal), Range6(0xFE80_0000_0000_0000, 10, .linkLocal),
        Range6(0xFEC0_0000_0000_0000, 10, .siteLocal), Range6(0xFF00_0000_0000_0000, 8, .multicast),
        Range6(0x2001_0000_0000_0000, 32, .teredo), Range6(0x2001_0002_0000_0000, 48, .benchmark),
        Range6(0x2001_0000_0000_0000, 23, .reserved), Range6(0x2001_0DB8_0000_0000, 32, .documentation),
        Range6(0x2002_0000_0000_0000, 16, .sixToFour), Range6(0x3FFF_0000_0000_0000, 20, .documentation),
        // All that IANA has given to the Internet so far.
        Range6(0x2000_0000_0000_0000, 3, .global),
    ]
}

extension NetworkAddress: CustomStringConvertible {
    /// - Parameter text: `192.0.2.1` or `2001:db8::1`; no zone, no brackets, no other way to write a number.
    public init?(_ text: some StringProtocol) {
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, String(text), &four) == 1 {
            self = .v4(UInt32(bigEndian: four.s_addr))
        } else if inet_pton(AF_INET6, String(text), &six) == 1 {
            self = withUnsafeBytes(of: six) { Self.v6($0) }
        } else {
            return nil
        }
    }

    /// - Parameters:
    ///   - address: a `sockaddr` of any family.
    ///   - length: of it, in bytes.
    /// - Returns: the address and its port; nil for any other family, or a structure that is too short.
    static func endpoint(_ address: UnsafeRawPointer, length: Int) -> (address: NetworkAddress, port: UInt16)? {
        guard length >= MemoryLayout<sockaddr>.size else { return nil }
        switch Int32(address.loadUnaligned(as: sockaddr.self).sa_family) {
        case AF_INET where length >= MemoryLayout<sockaddr_in>.size:
            let four = address.loadUnaligned(as: sockaddr_in.self)
            return (.v4(UInt32(bigEndian: four.sin_addr.s_addr)), UInt16(bigEndian: four.sin_port))
        case AF_INET6 where length >= MemoryLayout<sockaddr_in6>.size:
            let six = address.loadUnaligned(as: sockaddr_in6.self)
            return (withUnsafeBytes(of: six.sin6_addr) { Self.v6($0) }, UInt16(bigEndian: six.sin6_port))
        default: return nil
        }
    }

    private static func v6(_ bytes: UnsafeRawBufferPointer) -> NetworkAddress {
        func half(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        return .v6(high: half(0..<8), low: half(8..<16))
    }

    public var description: String {
        switch self {
        case .v4(let address): [24, 16, 8, 0].map { String(address >> $0 & 0xFF) }.joined(separator: ".")
        case .v6(let high, let low):
            [high, low].flatMap { half in [48, 32, 16, 0].map { String(half >> UInt64($0) & 0xFFFF, radix: 16) } }.joined(separator: ":")
        }
    }
}
