import CCurl

/// Why no HTTP answer was obtained. An answer of status 500 is an answer, not this.
public struct CurlError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure it was, for decisions.
    public enum Kind: String, Sendable, Hashable {
        /// The request itself cannot be sent: URL, method or header.
        case invalidRequest
        case hostNotFound
        /// Refused, unreachable, or reset before the connection stood.
        case cannotConnect
        /// The server's certificate or the handshake was not acceptable.
        case untrusted
        case timedOut
        /// The connection ended before the answer did.
        case connectionLost
        /// Body or headers beyond the request's limits.
        case tooLarge
        /// The answer is not HTTP.
        case malformedAnswer
        case tooManyRedirects
        /// The caller's task was cancelled.
        case cancelled
        /// The client was closed.
        case closed
        /// The process is out of threads, descriptors or memory.
        case outOfResources
        /// The address behind the name is none that the request may connect to.
        case notPermitted
        /// A file of the request cannot be read or written.
        case file
        case other
    }

    public let kind: Kind
    /// Scheme, host and port; never the path, query or credentials, where secrets travel.
    public let server: String
    /// What happened, as the C library or this module tells it.
    public let detail: String

    public init(kind: Kind, server: String, detail: String) {
        self.kind = kind
        self.server = server
        self.detail = detail
    }

    /// Whether the same request may succeed later without anyone changing anything.
    public var isRetriable: Bool {
        switch kind {
        case .hostNotFound, .cannotConnect, .timedOut, .connectionLost, .outOfResources: true
        case .invalidRequest, .untrusted, .tooLarge, .malformedAnswer, .tooManyRedirects, .cancelled, .closed, .notPermitted, .file, .other:
            false
        }
    }

    public var description: String { "\(server): \(detail)" }
}

extension CurlError.Kind {
    init(_ code: CURLcode) {
        switch code {
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_FUNCTION_ARGUMENT: self = .invalidRequest
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: self = .hostNotFound
        case CURLE_COULDNT_CONNECT: self = .cannotConnect
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE,
            CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS:
            self = .untrusted
        case CURLE_OPERATION_TIMEDOUT: self = .timedOut
        case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE, CURLE_SSL_SHUTDOWN_FAILED,
            CURLE_HTTP2, CURLE_HTTP2_STREAM:
            self = .connectionLost
        case CURLE_WEIRD_SERVER_REPLY: self = .malformedAnswer
        case CURLE_TOO_MANY_REDIRECTS: self = .tooManyRedirects
        case CURLE_OUT_OF_MEMORY: self = .outOfResources
        case CURLE_READ_ERROR, CURLE_ABORTED_BY_CALLBACK: self = .file
        default: self = .other
        }
    }
}
