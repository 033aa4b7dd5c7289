/// The part of a URL that may be shown: scheme, host and port.
struct ServerName {
    let text: String

    /// Checks what libcurl would accept too generously.
    ///
    /// - Throws: ``CurlError`` of kind `invalidRequest` when the URL is not an absolute http(s) one or carries credentials.
    init(validating url: String) throws(CurlError) {
        let scheme = url.prefix { $0 != ":" }.lowercased()
        guard scheme == "http" || scheme == "https", url.dropFirst(scheme.count).hasPrefix("://") else {
            throw CurlError(kind: .invalidRequest, server: "request", detail: "the URL must begin with http:// or https://")
        }
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw CurlError(kind: .invalidRequest, server: "request", detail: "the URL has a character that must be percent-encoded")
        }
        let authority = url.dropFirst(scheme.count + 3).prefix { !"/?#".contains($0) }
        guard !authority.isEmpty, !authority.contains("@") else {
            throw CurlError(
                kind: .invalidRequest,
                server: "request",
                detail: "the URL must name a host, and no user or password: give credentials apart"
            )
        }
        text = "\(scheme)://\(authority)"
    }
}

extension HTTPRequest {
    /// - Throws: ``CurlError`` of kind `invalidRequest`, which names the part at fault.
    func validated() throws(CurlError) -> ServerName {
        let server = try ServerName(validating: url)
        func refuse(_ detail: String) -> CurlError { CurlError(kind: .invalidRequest, server: server.text, detail: detail) }
        guard !method.isEmpty, method.utf8.allSatisfy({ (65...90).contains($0) }) else {
            throw refuse("the method must be upper-case letters")
        }
        for header in headers {
            guard !header.name.isEmpty, header.name.utf8.allSatisfy(\.isHeaderNameByte) else {
                throw refuse("a header's name is empty or has a character that is not allowed there")
            }
            guard header.value.utf8.allSatisfy({ $0 == 9 || $0 >= 32 && $0 != 127 }) else {
                throw refuse("the value of header \(header.name) has a control character")
            }
        }
        guard body == nil || upload == nil else { throw refuse("a request has a body or a file, not both") }
        if let signature {
            guard basicAuthentication == nil else { throw refuse("a request is signed or has a password, not both") }
            guard signature.isComplete else { throw refuse("the signature's region, service or access key cannot be") }
        }
        guard maximumResponseBytes >= 0 else { throw refuse("the limit of the answer's size is negative") }
        return server
    }
}

extension UInt8 {
    fileprivate var isHeaderNameByte: Bool {
        (65...90).contains(self) || (97...122).contains(self) || (48...57).contains(self) || "!#$%&'*+-.^_`|~".utf8.contains(self)
    }
}
