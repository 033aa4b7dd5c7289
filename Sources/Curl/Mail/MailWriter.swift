#if canImport(Glibc)
    import Glibc
#endif

extension MailMessage {
    /// The mail as it is handed over (RFC 5322, MIME): lines of at most 78 characters but for URLs, ended by CR LF, ASCII throughout.
    public var bytes: [UInt8] {
        var lines = ["Date: \(Self.date(date))"]
        lines.append("From: \(mailbox(from, fromName, in: "From"))")
        lines.append("To: <\(to)>")
        if let replyTo { lines.append("Reply-To: <\(replyTo)>") }
        lines.append("Message-ID: \(id)")
        lines.append("Subject: \(subject.encoded(after: "Subject"))")
        if let language { lines.append("Content-Language: \(language.encoded(after: "Content-Language"))") }
        if let unsubscribe {
            lines.append("List-Unsubscribe:\r\n <\(unsubscribe.url)>")
            lines.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
        }
        // No holiday reply is wanted, and none answers this one.
        lines.append("Auto-Submitted: auto-generated")
        lines.append("MIME-Version: 1.0")
        lines.append("Content-Type: text/plain; charset=utf-8")
        lines.append("Content-Transfer-Encoding: quoted-printable")
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + QuotedPrintable.bytes(of: text)
    }

    private func mailbox(_ address: MailAddress, _ name: HeaderText?, in header: String) -> String {
        guard let name, !name.text.isEmpty else { return "<\(address)>" }
        let phrase = name.phrase(after: header)
        let lastLine =
            phrase.utf8.count - (phrase.utf8.lastIndex(of: 10).map { phrase.utf8.distance(from: phrase.startIndex, to: $0) } ?? 0)
        return phrase + (lastLine + address.text.utf8.count > 66 ? "\r\n <\(address)>" : " <\(address)>")
    }

    /// RFC 5322, 3.3, in UTC.
    private static func date(_ seconds: Int64) -> String {
        var clock = time_t(seconds)
        var parts = tm()
        gmtime_r(&clock, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let two = { (number: Int32) in number < 10 ? "0\(number)" : "\(number)" }
        return
            "\(days[Int(parts.tm_wday) % 7]), \(parts.tm_mday) \(months[Int(parts.tm_mon) % 12]) \(parts.tm_year + 1900) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) +0000"
    }
}

/// RFC 2045, 6.7: text that survives every mail server.
enum QuotedPrintable {
    private static let digits = Array("0123456789ABCDEF".utf8)
    private static let maximumLine = 76

    static func bytes(of text: String) -> [UInt8] {
        var written: [UInt8] = []
        // Swift takes CR LF for one character.
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" || $0 == "\r\n" }) {
            write(Array(line.utf8), to: &written)
            written += [13, 10]
        }
        return written
    }

    private static func write(_ line: [UInt8], to written: inout [UInt8]) {
        var column = 0
        for (index, byte) in line.enumerated() {
            let isSpace = byte == 32 || byte == 9
            let isPlain = isSpace ? index < line.count - 1 : (33..<127).contains(byte) && byte != UInt8(ascii: "=")
            let width = isPlain ? 1 : 3
            // The last place of a line is the soft break's.
            if column + width > maximumLine - 1 {
                written += [UInt8(ascii: "="), 13, 10]
                column = 0
            }
            if isPlain {
                written.append(byte)
            } else {
                written += [UInt8(ascii: "="), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
            column += width
        }
    }
}
