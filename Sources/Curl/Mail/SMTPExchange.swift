import CCurl
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#endif

/// What libcurl's callbacks of one mail tell: how far the conversation came, and what the server answered last. Used on the connection
/// thread only.
final class SMTPExchange {
    /// The last command that was sent.
    enum Stage: Int, Comparable {
        case greeting, hello, startTLS, login, sender, recipient, data
        /// The mail itself, after the server's 354.
        case content

        static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    private(set) var stage = Stage.greeting
    /// To the last command; nil while it is awaited.
    private(set) var reply: SMTPReply?
    private(set) var stop: MailError.Kind?
    private let content: [UInt8]
    private var position = 0
    private var isLeaving = false
    private let isCancelled: NIOLockedValueBox<Bool>
    private let isClosing: NIOLockedValueBox<Bool>

    init(_ content: [UInt8], isCancelled: NIOLockedValueBox<Bool>, isClosing: NIOLockedValueBox<Bool>) {
        self.content = content
        self.isCancelled = isCancelled
        self.isClosing = isClosing
    }

    /// libcurl has every byte of the mail: the server may have too.
    var isHandedOver: Bool { position == content.count }

    /// A command as it is sent. What follows AUTH has no name and belongs to it.
    private func sent(_ bytes: UnsafeRawBufferPointer) {
        let word = String(decoding: bytes.prefix { $0 > 32 }.prefix(9), as: UTF8.self)
        // libcurl says goodbye on a connection that it gives up, this mail's or an earlier one's: that decides nothing.
        isLeaving = word == "QUIT"
        guard !isLeaving else { return }
        reply = nil
        switch word {
        case "EHLO", "HELO": stage = .hello
        case "STARTTLS": stage = .startTLS
        case "AUTH": stage = .login
        case "MAIL": stage = .sender
        case "RCPT": stage = .recipient
        case "DATA": stage = .data
        default: break
        }
    }

    private func received(_ bytes: UnsafeRawBufferPointer) {
        guard !isLeaving else { return }
        let digits = bytes.prefix(3)
        guard digits.count == 3, digits.allSatisfy({ (48...57).contains($0) }) else { return }
        let code = digits.reduce(0) { $0 * 10 + Int($1 - 48) }
        if code == 354, stage == .data {
            stage = .content
            reply = nil
        } else {
            reply = SMTPReply(code: code, enhanced: Self.enhanced(bytes.dropFirst(4)))
        }
    }

    /// RFC 3463: class, subject, detail.
    private static func enhanced(_ bytes: Slice<UnsafeRawBufferPointer>) -> String? {
        let word = bytes.prefix { $0 > 32 && $0 < 127 }
        let numbers = word.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let areNumbers = numbers.allSatisfy { part in (1...3).contains(part.count) && part.allSatisfy { (48...57).contains($0) } }
        guard word.count <= 11, numbers.count == 3, areNumbers else { return nil }
        return String(decoding: word, as: UTF8.self)
    }

    private func read(_ buffer: UnsafeMutablePointer<CChar>, _ room: Int) -> Int {
        let count = min(room, content.count - position)
        guard count > 0 else { return 0 }
        content.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            UnsafeMutableRawPointer(buffer).copyMemory(from: start + position, byteCount: count)
        }
        position += count
        return count
    }

    private func shouldGoOn() -> Bool {
        if isClosing.withLockedValue({ $0 }) {
            stop = .closed
        } else if isCancelled.withLockedValue({ $0 }) {
            stop = .cancelled
        }
        return stop == nil
    }

    // MARK: The C side

    /// Points the handle's callbacks at this exchange, which must outlive the transfer.
    func install(on handle: UnsafeMutableRawPointer) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        _ = ccurl_set_offset(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(content.count))
        _ = ccurl_set_pointer(handle, CURLOPT_READDATA, context)
        _ = ccurl_set_data_callback(handle, CURLOPT_READFUNCTION) { buffer, size, count, context in
            guard let buffer, let context else { return Int(CURL_READFUNC_ABORT) }
            return Unmanaged<SMTPExchange>.fromOpaque(context).takeUnretainedValue().read(buffer, size * count)
        }
        // What libcurl would print.
        _ = ccurl_set_data_callback(handle, CURLOPT_WRITEFUNCTION) { _, size, count, _ in size * count }
        _ = ccurl_set_pointer(handle, CURLOPT_DEBUGDATA, context)
        _ = ccurl_set_debug_callback(handle) { _, kind, bytes, count, context in
            guard let bytes, let context else { return 0 }
            let exchange = Unmanaged<SMTPExchange>.fromOpaque(context).takeUnretainedValue()
            let text = UnsafeRawBufferPointer(start: bytes, count: count)
            if kind == CURLINFO_HEADER_OUT { exchange.sent(text) } else if kind == CURLINFO_HEADER_IN { exchange.received(text) }
            return 0
        }
        _ = ccurl_set_long(handle, CURLOPT_VERBOSE, 1)
        _ = ccurl_set_pointer(handle, CURLOPT_XFERINFODATA, context)
        _ = ccurl_set_progress_callback(handle) { context, _, _, _, _ in
            guard let context else { return 1 }
            return Unmanaged<SMTPExchange>.fromOpaque(context).takeUnretainedValue().shouldGoOn() ? 0 : 1
        }
        _ = ccurl_set_long(handle, CURLOPT_NOPROGRESS, 0)
    }
}
