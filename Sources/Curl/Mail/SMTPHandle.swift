import CCurl
import NIOConcurrencyHelpers

/// libcurl's easy handle for one mail server. Belongs to one thread.
final class SMTPHandle {
    private let handle: UnsafeMutableRawPointer
    private let server: SMTPServer
    /// A connection that has rested longer may be the server's to close in the very moment of its next use.
    private static let maximumRest = 20

    init?(_ server: SMTPServer) {
        guard EasyHandle.globalInitialisation == CURLE_OK, let handle = curl_easy_init() else { return nil }
        self.handle = handle
        self.server = server
    }

    deinit { curl_easy_cleanup(handle) }

    /// - Returns: nil when the server took the mail over.
    func send(
        _ message: MailMessage, timeout: Duration, isCancelled: NIOLockedValueBox<Bool>, isClosing: NIOLockedValueBox<Bool>
    ) -> MailError? {
        let exchange = SMTPExchange(message.bytes, isCancelled: isCancelled, isClosing: isClosing)
        // Options go, the connection stays.
        curl_easy_reset(handle)
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_PROTOCOLS_STR, "smtp,smtps")
        set(CURLOPT_PROXY, "")
        // The path is what libcurl says in EHLO: the sender's domain, not the name of this machine.
        set(CURLOPT_URL, "\(server)/\(message.from.domain)")
        set(CURLOPT_USE_SSL, server.protection == .none ? Int(CURLUSESSL_NONE.rawValue) : Int(CURLUSESSL_ALL.rawValue))
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        if let authorities = server.authorities { set(CURLOPT_CAINFO, authorities) }
        if let user = server.user, let password = server.password {
            set(CURLOPT_USERNAME, user)
            set(CURLOPT_PASSWORD, password)
            // Inside TLS the plain ones are sound; libcurl would rather take one that hashes with MD5.
            set(CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN")
        }
        set(CURLOPT_CONNECTTIMEOUT_MS, min(10_000, timeout.milliseconds))
        set(CURLOPT_TIMEOUT_MS, timeout.milliseconds)
        // The goodbye on a connection that is given up has two minutes otherwise, beyond the timeout.
        set(CURLOPT_SERVER_RESPONSE_TIMEOUT, (timeout.milliseconds + 999) / 1_000)
        set(CURLOPT_MAXAGE_CONN, Self.maximumRest)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_MAIL_FROM, "<\(message.from)>")
        guard let recipients = curl_slist_append(nil, "<\(message.to)>") else {
            return MailError(kind: .outOfResources, server: server.description)
        }
        defer { curl_slist_free_all(recipients) }
        _ = ccurl_set_list(handle, CURLOPT_MAIL_RCPT, recipients)
        set(CURLOPT_UPLOAD, 1)
        exchange.install(on: handle)
        let code = withExtendedLifetime(exchange) { curl_easy_perform(handle) }
        // The callbacks' context ends with this call; libcurl says goodbye later, to nobody.
        set(CURLOPT_VERBOSE, 0)
        set(CURLOPT_NOPROGRESS, 1)
        return code == CURLE_OK ? nil : failure(code, exchange)
    }

    private func failure(_ code: CURLcode, _ exchange: SMTPExchange) -> MailError {
        let refusal = exchange.reply.flatMap { $0.code >= 400 ? $0 : nil }
        let kind: MailError.Kind
        if let stop = exchange.stop {
            kind = stop
        } else if let refusal, exchange.stage >= .recipient {
            // 421: the server ends the session, and says nothing of this mail.
            kind = refusal.code == 421 ? .serverRefuses : refusal.code < 500 ? .refusedForNow : .refused
        } else if refusal != nil {
            kind = exchange.stage == .login ? .loginRefused : .serverRefuses
        } else {
            kind = Self.kind(code, exchange.stage)
        }
        return MailError(
            kind: kind, server: server.description, reply: refusal,
            mayHaveArrived: exchange.stage == .content && exchange.isHandedOver && refusal == nil,
            hadRecipient: exchange.stage >= .recipient)
    }

    private static func kind(_ code: CURLcode, _ stage: SMTPExchange.Stage) -> MailError.Kind {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT: .cannotConnect
        case CURLE_OPERATION_TIMEDOUT: stage == .greeting ? .cannotConnect : .timedOut
        case CURLE_USE_SSL_FAILED, CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CIPHER,
            CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CERTPROBLEM:
            .untrusted
        case CURLE_LOGIN_DENIED: .loginRefused
        case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_WEIRD_SERVER_REPLY, CURLE_SSL_SHUTDOWN_FAILED: .connectionLost
        case CURLE_OUT_OF_MEMORY: .outOfResources
        default: .other
        }
    }

    private func set(_ option: CURLoption, _ value: Int) { _ = ccurl_set_long(handle, option, value) }
    private func set(_ option: CURLoption, _ value: String) { _ = ccurl_set_string(handle, option, value) }
}
