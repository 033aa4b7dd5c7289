import CCurl
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#endif

/// libcurl's easy handle: one transfer at a time, keeping its connections between them. Belongs to one thread.
final class EasyHandle {
    /// Process-wide and once, before any handle: libcurl's own rule.
    static let globalInitialisation = ccurl_global_init()
    private static let maximumRedirects = 5

    let handle: UnsafeMutableRawPointer
    private let certificateAuthorityFile: String?
    private let proxy: HTTPProxy

    init(certificateAuthorityFile: String?, proxy: HTTPProxy) throws(CurlError) {
        guard Self.globalInitialisation == CURLE_OK, let handle = curl_easy_init() else {
            throw CurlError(kind: .outOfResources, server: "libcurl", detail: "cannot be initialised: no memory, or no TLS library")
        }
        self.handle = handle
        self.certificateAuthorityFile = certificateAuthorityFile
        self.proxy = proxy
    }

    deinit { curl_easy_cleanup(handle) }

    /// Sends the request and waits for the whole answer, no longer than the request's timeout.
    func perform(
        _ request: HTTPRequest,
        to server: ServerName,
        isCancelled: NIOLockedValueBox<Bool>,
        isClosing: NIOLockedValueBox<Bool>
    ) throws(CurlError) -> HTTPResponse {
        let source = try request.upload.map { (upload) throws(CurlError) in try UploadSource(upload, server: server) }
        let target = try request.download.map { (download) throws(CurlError) in try DownloadTarget(download, server: server) }
        let sink = TransferSink(
            maximumBody: request.maximumResponseBytes, target: target, isCancelled: isCancelled, isClosing: isClosing)
        // Options go, connections stay.
        curl_easy_reset(handle)
        setPolicy(request)
        set(CURLOPT_URL, request.url)
        setCredentials(request.basicAuthentication)
        setSignature(request.signature)
        var list: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(list) }
        for line in request.headerLines {
            guard let longer = curl_slist_append(list, line) else {
                throw CurlError(kind: .outOfResources, server: server.text, detail: "no memory for the request's headers")
            }
            list = longer
        }
        _ = ccurl_set_list(handle, CURLOPT_HTTPHEADER, list)
        sink.install(on: handle)
        let gate = request.checkedLink.map { ConnectionGate($0) }
        if let gate { try install(gate) }
        source?.install(on: handle)
        let (code, detail) = withExtendedLifetime((sink, source, gate)) { run(request) }
        if let stop = sink.stop { throw CurlError(stop, server: server.text) }
        if code != CURLE_OK, gate?.hasRefused == true {
            throw CurlError(kind: .notPermitted, server: server.text, detail: "its address is none that may be connected to")
        }
        guard code == CURLE_OK else { throw CurlError(kind: .init(code), server: server.text, detail: detail) }
        var status = 0
        _ = ccurl_get_long(handle, CURLINFO_RESPONSE_CODE, &status)
        if (200..<300).contains(status) { target?.keep() }
        return HTTPResponse(status: status, headers: sink.headers, body: sink.body)
    }

    /// The rules every request obeys.
    private func setPolicy(_ request: HTTPRequest) {
        // Without this, a slow name look-up ends by a signal: not in a process with threads.
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https")
        set(CURLOPT_FOLLOWLOCATION, request.followsRedirects ? 1 : 0)
        set(CURLOPT_MAXREDIRS, Self.maximumRedirects)
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        if let certificateAuthorityFile { set(CURLOPT_CAINFO, certificateAuthorityFile) }
        if proxy == .direct { set(CURLOPT_PROXY, "") }
        set(CURLOPT_CONNECTTIMEOUT_MS, request.connectTimeout.milliseconds)
        set(CURLOPT_TIMEOUT_MS, request.timeout.milliseconds)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        set(CURLOPT_USERAGENT, "bus311")
    }

    private func setCredentials(_ credentials: BasicAuthentication?) {
        guard let credentials else { return }
        // CURLAUTH_BASIC, whose macro has a cast that Swift does not import.
        set(CURLOPT_HTTPAUTH, 1)
        set(CURLOPT_USERNAME, credentials.user)
        set(CURLOPT_PASSWORD, credentials.password)
    }

    private func setSignature(_ signature: AWSSignature?) {
        guard let signature else { return }
        set(CURLOPT_AWS_SIGV4, signature.provider)
        set(CURLOPT_USERNAME, signature.accessKey)
        set(CURLOPT_PASSWORD, signature.secretKey)
        // S3 speaks nothing newer.
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        // What `Expect:` does for other requests: libcurl 7.88 would sign that header without sending it.
        set(CURLOPT_EXPECT_100_TIMEOUT_MS, 200)
    }

    private func run(_ request: HTTPRequest) -> (CURLcode, String) {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(CURL_ERROR_SIZE)) { message in
            message.initialize(repeating: 0)
            _ = ccurl_set_pointer(handle, CURLOPT_ERRORBUFFER, message.baseAddress)
            let code = request.body.map { run(request, body: $0) } ?? run(request)
            _ = ccurl_set_pointer(handle, CURLOPT_ERRORBUFFER, nil)
            let bytes = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            return (code, bytes.isEmpty ? String(cString: curl_easy_strerror(code)) : String(decoding: bytes, as: UTF8.self))
        }
    }

    private func run(_ request: HTTPRequest) -> CURLcode {
        if request.method == "HEAD" {
            set(CURLOPT_NOBODY, 1)
        } else if request.upload != nil {
            set(CURLOPT_UPLOAD, 1)
            set(CURLOPT_CUSTOMREQUEST, request.method)
        } else {
            set(CURLOPT_HTTPGET, 1)
            set(CURLOPT_CUSTOMREQUEST, request.method)
        }
        return curl_easy_perform(handle)
    }

    private func run(_ request: HTTPRequest, body: [UInt8]) -> CURLcode {
        set(CURLOPT_POST, 1)
        _ = ccurl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
        set(CURLOPT_CUSTOMREQUEST, request.method)
        // A zero byte follows so that an empty array has an address too; its length was given above.
        return (body + [0]).withUnsafeBytes { bytes in
            _ = ccurl_set_pointer(handle, CURLOPT_POSTFIELDS, UnsafeMutableRawPointer(mutating: bytes.baseAddress))
            defer { _ = ccurl_set_pointer(handle, CURLOPT_POSTFIELDS, nil) }
            return curl_easy_perform(handle)
        }
    }

    private func set(_ option: CURLoption, _ value: Int) { _ = ccurl_set_long(handle, option, value) }
    private func set(_ option: CURLoption, _ value: String) { _ = ccurl_set_string(handle, option, value) }
}

extension HTTPRequest {
    /// As libcurl takes them: a header without a value ends in a semicolon, and one it would add is suppressed without value.
    fileprivate var headerLines: [String] {
        var lines = headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
        // libcurl waits a second for an interim answer to a long body, which few servers send.
        if signature == nil { lines.append("Expect:") }
        if body != nil, !headers.contains(where: { $0.name.lowercased() == "content-type" }) {
            lines.append("Content-Type: application/octet-stream")
        }
        return lines
    }
}

extension CurlError {
    fileprivate init(_ stop: TransferSink.Stop, server: String) {
        switch stop {
        case .tooLarge(let detail): self.init(kind: .tooLarge, server: server, detail: detail)
        case .file(let detail): self.init(kind: .file, server: server, detail: detail)
        case .cancelled: self.init(kind: .cancelled, server: server, detail: "the request was cancelled")
        case .closed: self.init(kind: .closed, server: server, detail: "the HTTP client was closed")
        }
    }
}

extension Duration {
    /// At least 1: zero means "no limit" to libcurl.
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        return max(1, Int(clamping: min(seconds, 86_400)) * 1_000 + Int(attoseconds / 1_000_000_000_000_000))
    }
}
