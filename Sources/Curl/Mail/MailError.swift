import CCurl

/// What a mail server answered, without its sentence: that may name the person.
public struct SMTPReply: Sendable, Hashable, CustomStringConvertible {
    /// 200 to 599.
    public let code: Int
    /// RFC 3463, as in `5.1.1`; nil where the server gives none.
    public let enhanced: String?

    public var description: String { enhanced.map { "\(code) \($0)" } ?? "\(code)" }
}

/// Why a mail is not known to be taken over by the server.
public struct MailError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: String, Sendable, Hashable {
        /// The mail itself cannot be sent: it is too long.
        case invalidMessage = "invalid_message"
        /// No name, no route, nobody listening, or no greeting in time.
        case cannotConnect = "cannot_connect"
        /// No TLS, or a certificate that is not trusted.
        case untrusted
        case loginRefused = "login_refused"
        /// The server itself will not work now, or not for us: 4xx or 5xx before a recipient was named.
        case serverRefuses = "server_refuses"
        /// This mail, for now (4xx).
        case refusedForNow = "refused_for_now"
        /// This mail, for good (5xx).
        case refused
        case timedOut = "timed_out"
        case connectionLost = "connection_lost"
        case cancelled
        case closed
        case outOfResources = "out_of_resources"
        case other
    }

    public let kind: Kind
    /// Scheme, host and port.
    public let server: String
    /// The last answer, where the server gave one that decided.
    public let reply: SMTPReply?
    /// Whether the whole mail was handed over and its answer did not come: it may be delivered.
    public let mayHaveArrived: Bool
    /// Whether the recipient had been named: then it may be this recipient that the server stumbles over.
    public let hadRecipient: Bool

    public init(kind: Kind, server: String, reply: SMTPReply? = nil, mayHaveArrived: Bool = false, hadRecipient: Bool = false) {
        self.kind = kind
        self.server = server
        self.reply = reply
        self.mayHaveArrived = mayHaveArrived
        self.hadRecipient = hadRecipient
    }

    /// Whether it is this mail's own fault, or the server's with every mail.
    public var concernsThisMailOnly: Bool { kind == .refused || kind == .refusedForNow || kind == .invalidMessage }

    /// For operators: what is wrong and what to do; no address, no words of the server.
    public var description: String {
        let answer = reply.map { " (it answered \($0))" } ?? ""
        let text =
            switch kind {
            case .invalidMessage: "the mail is too long"
            case .cannotConnect: "the mail server cannot be reached\(answer): see that it runs and that mail.url names it"
            case .untrusted: "no trusted TLS\(answer): see its certificate, its name in mail.url, and mail.authorities"
            case .loginRefused: "the login was refused\(answer): see mail.user and mail.password"
            case .serverRefuses: "the mail server refuses to work for us\(answer): see mail.from, and the server's own log"
            case .refusedForNow: "the mail server puts this mail off\(answer)"
            case .refused: "the mail server refuses this mail\(answer)"
            case .timedOut: "the mail server took too long\(answer)"
            case .connectionLost: "the connection to the mail server ended\(answer)"
            case .cancelled: "sending was cancelled"
            case .closed: "the mail client was closed"
            case .outOfResources: "no memory, thread or descriptor is left"
            case .other: "sending failed\(answer)"
            }
        return "\(server): \(text)" + (mayHaveArrived ? "; the mail may have been taken all the same" : "")
    }
}
