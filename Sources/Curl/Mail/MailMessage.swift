/// A mail's own name. Receivers that get the same mail twice can know it by this.
public struct MailMessageID: Sendable, Hashable, CustomStringConvertible {
    /// With its angle brackets.
    public let text: String

    /// - Parameters:
    ///   - name: letters, digits, dots and hyphens, 1 to 128.
    ///   - domain: of the sender.
    /// - Throws: ``MailValueError``
    public init(name: String, domain: String) throws(MailValueError) {
        let isName =
            (1...128).contains(name.utf8.count) && name.utf8.first != UInt8(ascii: ".") && name.utf8.last != UInt8(ascii: ".")
            && name.utf8.allSatisfy { MailAddress.isLetterOrDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
            && !name.contains("..")
        guard isName, domain.utf8.count <= 253, MailAddress.isDomain(domain[...].utf8) else {
            throw MailValueError(name: "message id", problem: "must be letters, digits, dots and hyphens, and a domain")
        }
        text = "<\(name)@\(domain)>"
    }

    public var description: String { text }
}

/// Where a mail program unsubscribes its reader with one request of its own (RFC 8058): a POST of `List-Unsubscribe=One-Click`.
public struct OneClickUnsubscribe: Sendable, Hashable {
    public let url: String

    /// - Throws: ``MailValueError`` unless it is an absolute http or https URL of at most 900 characters of ASCII.
    public init(url: String) throws(MailValueError) {
        let isAbsolute = url.hasPrefix("https://") || url.hasPrefix("http://")
        guard isAbsolute, url.utf8.count <= 900, url.utf8.allSatisfy({ (33..<127).contains($0) && !"<>,\"\\".utf8.contains($0) }) else {
            throw MailValueError(name: "unsubscribe address", problem: "must be an absolute URL, percent-encoded")
        }
        self.url = url
    }
}

/// One mail to one person, plain text. Printing it shows nothing of it.
public struct MailMessage: Sendable, CustomStringConvertible, CustomReflectable {
    /// Of the text, in bytes of UTF-8.
    public static let maximumBytes = 262_144

    public var from: MailAddress
    /// Shown in place of the address.
    public var fromName: HeaderText?
    public var to: MailAddress
    public var replyTo: MailAddress?
    public var subject: HeaderText
    /// Lines end in a line feed, with or without a carriage return before it.
    public var text: String
    public var id: MailMessageID
    /// When it was written, in seconds since 1970.
    public var date: Int64
    /// As in `fr` or `nl-BE`: `Content-Language`.
    public var language: HeaderText?
    public var unsubscribe: OneClickUnsubscribe?

    public init(
        from: MailAddress, fromName: HeaderText? = nil, to: MailAddress, replyTo: MailAddress? = nil, subject: HeaderText, text: String,
        id: MailMessageID, date: Int64, language: HeaderText? = nil, unsubscribe: OneClickUnsubscribe? = nil
    ) {
        self.from = from
        self.fromName = fromName
        self.to = to
        self.replyTo = replyTo
        self.subject = subject
        self.text = text
        self.id = id
        self.date = date
        self.language = language
        self.unsubscribe = unsubscribe
    }

    public var description: String { "mail" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
