/// One outgoing HTTP request, with the limits it runs under. Printing it shows the method only: the rest may hold secrets.
public struct HTTPRequest: Sendable, CustomStringConvertible, CustomReflectable {
    /// `GET`, `PUT`…: upper-case letters.
    public var method: String
    /// Absolute, `http` or `https`, already percent-encoded, without user information (see ``basicAuthentication``).
    public var url: String
    public var headers: [HTTPHeader]
    /// `nil` sends none; an empty body is sent as a body of zero bytes.
    public var body: [UInt8]?
    /// A file that is sent as the body, in place of ``body``, a few bytes at a time.
    public var upload: FileUpload?
    /// A new file that takes the body of an answer of 200 to 299; any other answer's body comes as always.
    public var download: FileDownload?
    public var basicAuthentication: BasicAuthentication?
    /// In place of ``basicAuthentication``.
    public var signature: AWSSignature?
    /// A stranger's link that was checked: the request, which is made to its `url`, connects to the addresses found then, directly and
    /// over a connection of its own.
    public var checkedLink: CheckedLink?
    /// From the name look-up to the end of the TLS handshake.
    public var connectTimeout: Duration
    /// The whole exchange, connecting included.
    public var timeout: Duration
    /// The largest body accepted in the answer, in bytes; a longer one is an error, never a cut body.
    public var maximumResponseBytes: Int
    /// Off: a redirect is returned as it came. On: at most five, to `http` and `https` only, without the credentials on another host.
    public var followsRedirects: Bool

    public init(
        method: String = "GET",
        url: String,
        headers: [HTTPHeader] = [],
        body: [UInt8]? = nil,
        upload: FileUpload? = nil,
        download: FileDownload? = nil,
        basicAuthentication: BasicAuthentication? = nil,
        signature: AWSSignature? = nil,
        connectTimeout: Duration = .seconds(5),
        timeout: Duration = .seconds(15),
        maximumResponseBytes: Int = 1_048_576,
        followsRedirects: Bool = false
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.upload = upload
        self.download = download
        self.basicAuthentication = basicAuthentication
        self.signature = signature
        self.connectTimeout = connectTimeout
        self.timeout = timeout
        self.maximumResponseBytes = maximumResponseBytes
        self.followsRedirects = followsRedirects
    }

    public var description: String { "\(method) request" }
    public var customMirror: Mirror { Mirror(self, children: ["method": method]) }
}

/// One header line.
public struct HTTPHeader: Sendable, Hashable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// A name and password for HTTP Basic authentication. Printing it shows the name only.
public struct BasicAuthentication: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    public var user: String
    public var password: String

    public init(user: String, password: String) {
        self.user = user
        self.password = password
    }

    public var description: String { "user \(user)" }
    public var customMirror: Mirror { Mirror(self, children: ["user": user]) }
}

/// The answer to an ``HTTPRequest``, whatever its status.
public struct HTTPResponse: Sendable {
    public let status: Int
    /// Of the last answer, in the order received.
    public let headers: [HTTPHeader]
    public let body: [UInt8]

    public init(status: Int, headers: [HTTPHeader], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The first header of that name, in any case of letters.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// 200 to 299.
    public var isSuccess: Bool { (200..<300).contains(status) }
}
