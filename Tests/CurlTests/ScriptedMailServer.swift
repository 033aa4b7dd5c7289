import Foundation
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#endif

/// A mail server on a loopback port that answers each command as the test says. Without TLS: that is tried against a real one.
final class ScriptedMailServer: Sendable {
    enum Answer: Sendable, Equatable {
        /// With its code.
        case says(String)
        /// The connection stays.
        case silence
        case cut
    }

    struct Mail: Sendable {
        /// Counts the connections accepted, from 1.
        let connection: Int
        let commands: [String]
        /// As it came, dots and all.
        let content: String
    }

    let port: Int
    private let listener: Int32
    private let received = NIOLockedValueBox<[Mail]>([])
    private let isStopped = NIOLockedValueBox(false)

    /// - Parameter answer: to a command by its first word, to `greeting` and to `content`; nil for the usual answer.
    init(answer: @escaping @Sendable (String) -> Answer? = { _ in nil }) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && Glibc.listen(descriptor, 16) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard bound else { throw POSIXError(.EADDRINUSE) }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread { [self] in
            var count = 0
            while !isStopped.withLockedValue({ $0 }) {
                guard Self.isReadable(listener) else { continue }
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { break }
                count += 1
                let number = count
                Thread.detachNewThread { [self] in serve(connection, number, answer) }
            }
            close(listener)
        }
    }

    var url: String { "smtp://127.0.0.1:\(port)" }
    var mails: [Mail] { received.withLockedValue { $0 } }
    func stop() { isStopped.withLockedValue { $0 = true } }

    private static let usual = [
        "greeting": "220 test ESMTP", "EHLO": "250-test\r\n250-SIZE 1000000\r\n250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN LOGIN",
        "AUTH": "235 2.7.0 welcome", "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok", "DATA": "354 go on", "content": "250 2.0.0 taken",
        "QUIT": "221 bye", "RSET": "250 ok",
    ]

    private static func isReadable(_ descriptor: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 100) > 0
    }

    private func serve(_ connection: Int32, _ number: Int, _ answer: (String) -> Answer?) {
        defer { close(connection) }
        var pending = ""
        var commands: [String] = []
        /// - Returns: whether the conversation goes on.
        func say(to word: String) -> Bool {
            switch answer(word) ?? .says(Self.usual[word] ?? "502 unknown") {
            case .says(let text):
                let bytes = Array("\(text)\r\n".utf8)
                return Glibc.send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
            case .silence: return true
            case .cut: return false
            }
        }
        guard say(to: "greeting") else { return }
        while let line = take(until: "\r\n", from: connection, &pending) {
            commands.append(line)
            let word = String(line.prefix { $0 != " " && $0 != ":" })
            if word == "AUTH" {
                let more = Array("334 \r\n".utf8)
                guard Glibc.send(connection, more, more.count, Int32(MSG_NOSIGNAL)) == more.count,
                    let secret = take(until: "\r\n", from: connection, &pending)
                else { return }
                commands.append(secret)
            }
            guard say(to: word) else { return }
            if word == "DATA", answer("DATA") == nil {
                guard let content = take(until: "\r\n.\r\n", from: connection, &pending) else { return }
                received.withLockedValue { $0.append(Mail(connection: number, commands: commands, content: content + "\r\n")) }
                guard say(to: "content") else { return }
            }
        }
    }

    private func take(until end: String, from connection: Int32, _ pending: inout String) -> String? {
        while true {
            if let range = pending.range(of: end) {
                let line = String(pending[..<range.lowerBound])
                pending = String(pending[range.upperBound...])
                return line
            }
            while !Self.isReadable(connection) { if isStopped.withLockedValue({ $0 }) { return nil } }
            var buffer = [UInt8](repeating: 0, count: 65_536)
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { return nil }
            pending += String(decoding: buffer[..<count], as: UTF8.self)
        }
    }
}
