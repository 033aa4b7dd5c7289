import Foundation
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#endif

/// An HTTP server on a loopback port that answers as the test says, byte for byte.
final class ScriptedServer: Sendable {
    struct Request: Sendable {
        /// Counts the connections accepted, from 1.
        let connection: Int
        let head: String
        let body: String
    }

    enum Answer: Sendable {
        /// These bytes; the connection stays.
        case bytes(String)
        /// These bytes again and again until the client leaves.
        case endless(head: String, chunk: String)
        /// Nothing; the connection stays.
        case silence
        /// These bytes, then the end of the connection.
        case cut(String)
    }

    let port: Int
    private let listener: Int32
    private let received = NIOLockedValueBox<[Request]>([])
    private let isStopped = NIOLockedValueBox(false)

    init(answer: @escaping @Sendable (Request) -> Answer) throws {
        (listener, port) = try Self.listen()
        Thread.detachNewThread { [self] in
            var count = 0
            while !isStopped.withLockedValue({ $0 }) {
                guard Self.isReadable(listener) else { continue }
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { break }
                count += 1
                let number = count
                Thread.detachNewThread { [self] in serve(connection, number: number, answer: answer) }
            }
            close(listener)
        }
    }

    var url: String { "http://127.0.0.1:\(port)" }
    var requests: [Request] { received.withLockedValue { $0 } }

    func stop() { isStopped.withLockedValue { $0 = true } }

    /// A loopback port on which nobody listens.
    static func unusedPort() throws -> Int {
        let (listener, port) = try listen()
        close(listener)
        return port
    }

    static func ok(_ body: String, headers: String = "") -> Answer {
        .bytes("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)")
    }

    private static func listen() throws -> (Int32, Int) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && Glibc.listen(listener, 16) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard bound else { throw POSIXError(.EADDRINUSE) }
        return (listener, Int(UInt16(bigEndian: address.sin_port)))
    }

    /// Waits a tenth of a second at most, so that a stop is seen.
    private static func isReadable(_ descriptor: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 100) > 0
    }

    private func serve(_ connection: Int32, number: Int, answer: (Request) -> Answer) {
        defer { close(connection) }
        var pending: [UInt8] = []
        while let request = next(from: connection, number: number, pending: &pending) {
            received.withLockedValue { $0.append(request) }
            switch answer(request) {
            case .bytes(let text): _ = Self.send(text, to: connection)
            case .silence: break
            case .cut(let text):
                _ = Self.send(text, to: connection)
                return
            case .endless(let head, let chunk):
                guard Self.send(head, to: connection) else { return }
                while !isStopped.withLockedValue({ $0 }), Self.send(chunk, to: connection) {}
                return
            }
        }
    }

    private func next(from connection: Int32, number: Int, pending: inout [UInt8]) -> Request? {
        while true {
            let text = String(decoding: pending, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let head = String(text[..<end.lowerBound])
                let length =
                    head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
                    .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) } ?? 0
                let total = head.utf8.count + 4 + length
                if pending.count >= total {
                    let body = String(decoding: pending[(head.utf8.count + 4)..<total], as: UTF8.self)
                    pending.removeFirst(total)
                    return Request(connection: number, head: head, body: body)
                }
            }
            while !Self.isReadable(connection) { if isStopped.withLockedValue({ $0 }) { return nil } }
            var buffer = [UInt8](repeating: 0, count: 65_536)
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { return nil }
            pending.append(contentsOf: buffer[..<count])
            // A TLS client: it is answered as a server without TLS does.
            if pending.first == 0x16 {
                _ = Self.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", to: connection)
                return nil
            }
        }
    }

    private static func send(_ text: String, to connection: Int32) -> Bool {
        var bytes = ArraySlice(text.utf8)
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            bytes = bytes.dropFirst(count)
        }
        return true
    }
}
