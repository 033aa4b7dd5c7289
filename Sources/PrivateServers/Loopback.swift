import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Small questions to ports of 127.0.0.1. Each answers within two seconds, and off the cooperative pool where it may wait.
enum Loopback {
    /// True when nobody listens on the port of this address or of all addresses.
    static func isFree(_ port: Int) -> Bool {
        withSocket { descriptor in
            // Lets go of connections that only linger (TIME_WAIT); a listener still refuses us.
            var yes: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
            return withAddress(port) { bind(descriptor, $0, $1) } == 0
        } ?? false
    }

    /// True when somebody accepts connections on the port.
    static func accepts(_ port: Int) -> Bool {
        withSocket { descriptor in withAddress(port) { connect(descriptor, $0, $1) } == 0 } ?? false
    }

    /// The status code of `GET path`, nil when there is no answer.
    static func status(of path: String, port: Int, user: String, password: String) async -> Int? {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(returning: blockingStatus(of: path, port: port, user: user, password: password))
            }
        }
    }

    private static func blockingStatus(of path: String, port: Int, user: String, password: String) -> Int? {
        let credentials = Data("\(user):\(password)".utf8).base64EncodedString()
        let request = "GET \(path) HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: Basic \(credentials)\r\n\r\n"
        let answer = withSocket { descriptor -> [UInt8]? in
            guard withAddress(port, { connect(descriptor, $0, $1) }) == 0 else { return nil }
            guard request.withCString({ send(descriptor, $0, strlen($0), Int32(MSG_NOSIGNAL)) }) > 0 else { return nil }
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_WAITALL))
            return count > 12 ? Array(bytes[..<count]) : nil
        }
        // "HTTP/1.1 200 OK"
        guard let line = answer ?? nil else { return nil }
        return Int(String(decoding: line[9..<12], as: UTF8.self))
    }

    private static func withSocket<Result>(_ body: (Int32) -> Result) -> Result? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return body(descriptor)
    }

    private static func withAddress<Result>(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}
