import Foundation
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#endif

/// A TCP proxy on 127.0.0.1 that does to its connections what bad networks do. One thread of its own; faults change at any time and
/// hold for connections that are open too.
public final class FaultProxy: Sendable {
    public enum Direction: Int, Sendable, CaseIterable { case toServer, toClient }

    /// What happens to the bytes of one direction.
    public struct Faults: Sendable {
        /// How much later bytes arrive; they never overtake each other.
        public var latency = Duration.zero
        /// Up to this much more, at random.
        public var jitter = Duration.zero
        /// Nil for as fast as it goes.
        public var bytesPerSecond: Int?
        /// Read and thrown away, ends and resets too: a half-open link, where nobody hears of anything. A connection that has
        /// lost bytes this way never passes any again.
        public var drops = false
        /// Read no more: a peer that has stopped reading.
        public var stalls = false
        /// Both ends get an RST once a connection has passed so many bytes from now on; drawn for each connection.
        public var resetAfter: ClosedRange<Int>?
        /// One bit of the byte this far from now is turned over.
        public var corruptAt: Int?

        public init() {}
    }

    struct Control: Sendable {
        var faults = [Faults(), Faults()]
        /// Counts the calls of ``set(_:_:)``: bytes "from now on" are counted from there.
        var generation = 0
        var cuts = 0
        var isCutByReset = false
        var isStopped = false
        var counts = Counts()
    }

    /// What has happened so far.
    public struct Counts: Sendable {
        public var accepted = 0
        public var open = 0
        public var resets = 0
        public var bytes = [0, 0]
    }

    /// Where clients connect.
    public let port: Int
    private let control: NIOLockedValueBox<Control>
    private let wakeUp: Int32

    /// - Parameters:
    ///   - server: a port of 127.0.0.1; need not be open yet.
    ///   - seed: of jitter and reset positions.
    public init(to server: Int, seed: UInt64 = .random(in: 0 ... .max)) throws {
        let control = NIOLockedValueBox(Control())
        let listener = try LoopbackSocket.listening()
        var pipe: [Int32] = [0, 0]
        guard Glibc.pipe(&pipe) == 0, pipe.allSatisfy(LoopbackSocket.isNowNonBlocking) else {
            throw LoopbackSocket.Failure(call: "pipe", number: errno)
        }
        let (reading, writing) = (pipe[0], pipe[1])
        port = listener.port
        wakeUp = writing
        self.control = control
        let thread = Thread {
            var loop = FaultProxyLoop(listener: listener.descriptor, server: server, wakeUp: reading, control: control, seed: seed)
            loop.run()
        }
        thread.name = "fault-proxy"
        thread.start()
    }

    deinit {
        stop()
        close(wakeUp)
    }

    /// From now on these faults, in the directions given; `Faults()` heals.
    public func set(_ faults: Faults, _ directions: [Direction] = Direction.allCases) {
        change { control in
            for direction in directions { control.faults[direction.rawValue] = faults }
            control.generation += 1
        }
    }

    /// Ends every open connection, by a reset or in order.
    public func cut(byReset: Bool = false) {
        change { control in
            control.cuts += 1
            control.isCutByReset = byReset
        }
    }

    public var counts: Counts { control.withLockedValue { $0.counts } }

    /// Closes everything.
    public func stop() { change { $0.isStopped = true } }

    private func change(_ body: (inout Control) -> Void) {
        control.withLockedValue { control in
            // Stopped, the loop reads no more, and writing would be a broken pipe.
            guard !control.isStopped else { return }
            body(&control)
            var byte: UInt8 = 1
            _ = write(wakeUp, &byte, 1)
        }
    }
}

/// Sockets of 127.0.0.1 that never block.
enum LoopbackSocket {
    struct Failure: Error, CustomStringConvertible {
        let call: String
        let number: Int32
        var description: String { "\(call): errno \(number)" }
    }

    static func listening() throws -> (descriptor: Int32, port: Int) {
        let descriptor = try open()
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = address(of: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let done = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && listen(descriptor, 128) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        guard done else { throw Failure(call: "listen", number: errno) }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    /// - Returns: false when the system refuses.
    static func isNowNonBlocking(_ descriptor: Int32) -> Bool {
        fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 && fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
    }

    /// Begins to connect.
    static func connecting(to port: Int) throws -> Int32 {
        let descriptor = try open()
        var address = address(of: port)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 || errno == EINPROGRESS else {
            close(descriptor)
            throw Failure(call: "connect", number: errno)
        }
        return descriptor
    }

    /// Small buffers, so that the proxy's pace is what the peers feel.
    static func tune(_ descriptor: Int32) {
        var (size, one): (Int32, Int32) = (16_384, 1)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    /// Closes so that the peer gets an RST.
    static func reset(_ descriptor: Int32) {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
    }

    private static func open() throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(call: "socket", number: errno) }
        tune(descriptor)
        return descriptor
    }

    private static func address(of port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(clamping: port)).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}
