import Foundation
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#endif

private func address(_ port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port)).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
}

private func withAddress<Result>(_ port: Int, _ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Result) -> (Result, Int) {
    var storage = address(port)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &storage) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
    }
    return (result, Int(UInt16(bigEndian: storage.sin_port)))
}

struct SocketError: Error { let number = errno }

/// Gives back what it is sent, a thread a connection.
final class EchoServer: Sendable {
    let port: Int
    private let listener: Int32
    private let endings = NIOLockedValueBox(0)

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let (isListening, port) = withAddress(0) { address, length in
            bind(listener, address, length) == 0 && listen(listener, 16) == 0 && getsockname(listener, address, &length) == 0
        }
        guard isListening else { throw SocketError() }
        (self.listener, self.port) = (listener, port)
        Thread.detachNewThread { [endings] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                Thread.detachNewThread {
                    var buffer = [UInt8](repeating: 0, count: 4_096)
                    while true {
                        let count = read(connection, &buffer, buffer.count)
                        guard count > 0, send(connection, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
                    }
                    close(connection)
                    endings.withLockedValue { $0 += 1 }
                }
            }
        }
    }

    /// Connections that have ended.
    var ended: Int { endings.withLockedValue { $0 } }
    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }
}

/// One connection, with limits on every wait.
struct EchoClient {
    enum Ending { case none, end, reset }

    private let descriptor: Int32

    init(to port: Int) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard withAddress(port, { connect(descriptor, $0, $1) }).0 == 0 else { throw SocketError() }
        self.descriptor = descriptor
    }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw SocketError() }
            rest = rest.dropFirst(count)
        }
    }

    /// What comes until there is so much, or the time is over.
    func receive(_ count: Int, within seconds: Double) throws -> [UInt8] {
        var received: [UInt8] = []
        let deadline = ContinuousClock.now + .seconds(seconds)
        while received.count < count {
            var buffer = [UInt8](repeating: 0, count: count - received.count)
            guard wait(until: deadline) else { break }
            let read = Glibc.read(descriptor, &buffer, buffer.count)
            guard read > 0 else { throw SocketError() }
            received += buffer.prefix(read)
        }
        return received
    }

    /// How the connection ends, what still comes left aside.
    func ending(within seconds: Double) throws -> Ending {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while wait(until: deadline) {
            var buffer = [UInt8](repeating: 0, count: 4_096)
            let count = read(descriptor, &buffer, buffer.count)
            if count == 0 { return .end }
            if count < 0 { return errno == ECONNRESET ? .reset : .none }
        }
        return .none
    }

    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }
    func close() { _ = Glibc.close(descriptor) }

    private func wait(until deadline: ContinuousClock.Instant) -> Bool {
        let left = ContinuousClock.now.duration(to: deadline)
        guard left > .zero else { return false }
        var polled = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        return poll(&polled, 1, Int32(left / .milliseconds(1)) + 1) > 0
    }
}
