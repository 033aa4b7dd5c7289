import Curl
import Open311

/// Gets a tenant's document from an address that somebody typed: through the guard that citizens' links go through, conditionally, and
/// within bounds.
struct ReferenceFetch: Sendable {
    enum Outcome: Sendable, Equatable {
        case document(bytes: [UInt8], format: ReferenceSource.Format, etag: String?, lastModified: String?)
        case notModified
        case failed(Failure, String)
    }

    enum Failure: Sendable, Equatable { case unreachable, notAllowed, tooLarge, invalid }

    static let maximumRedirects = 3
    private static let connectTimeout = Duration.seconds(5)
    private static let timeout = Duration.seconds(60)

    let client: HTTPClient
    let linkGuard: LinkGuard

    /// - Parameters:
    ///   - etag: what the server said of the last document.
    ///   - lastModified: likewise.
    func fetch(_ url: String, allowsCleartext: Bool, etag: String?, lastModified: String?) async -> Outcome {
        var next = LinkAddress(url)
        for _ in 0...Self.maximumRedirects {
            guard let link = next else { return .failed(.notAllowed, "the address is no http or https URL of a plain host") }
            guard link.isSecure || allowsCleartext else {
                return .failed(.notAllowed, "the address is not https, and http was not allowed")
            }
            let checked: CheckedLink
            do { checked = try await linkGuard.check(link) } catch {
                return error == .notFound
                    ? .failed(.unreachable, "nobody has the name \(link.host)")
                    : .failed(
                        .notAllowed,
                        "\(link.host):\(link.port) is not on the Internet, or not at its default port; reference.fetch.allow names such hosts"
                    )
            }
            let response: HTTPResponse
            do { response = try await client.send(request(checked, etag, lastModified)) } catch { return Self.outcome(error) }
            switch response.status {
            case 200: return Self.document(response, link)
            case 304: return .notModified
            case 301, 302, 303, 307, 308: next = response.header("Location").flatMap { link.redirected(to: $0) }
            default: return .failed(.unreachable, "\(link.host) answered \(response.status)")
            }
        }
        return .failed(.notAllowed, "there are more than \(Self.maximumRedirects) redirects")
    }

    private func request(_ checked: CheckedLink, _ etag: String?, _ lastModified: String?) -> HTTPRequest {
        var headers = [HTTPHeader(name: "Accept", value: "application/json, application/geo+json, text/csv;q=0.9")]
        if let etag { headers.append(HTTPHeader(name: "If-None-Match", value: etag)) }
        if let lastModified { headers.append(HTTPHeader(name: "If-Modified-Since", value: lastModified)) }
        var request = HTTPRequest(
            url: checked.link.url, headers: headers, connectTimeout: Self.connectTimeout, timeout: Self.timeout,
            maximumResponseBytes: ReferenceSource.maximumBytes)
        request.checkedLink = checked
        return request
    }

    private static func document(_ response: HTTPResponse, _ link: LinkAddress) -> Outcome {
        let type = response.header("Content-Type") ?? ""
        let isTable = link.path.prefix { $0 != "?" }.lowercased().hasSuffix(".csv")
        guard let format = ReferenceSource.Format(contentType: type) ?? (isTable ? .csv(charset: nil) : plain(type)) else {
            return .failed(.invalid, "the answer is \(type.prefix(64)), neither JSON nor CSV")
        }
        return .document(
            bytes: response.body, format: format, etag: validator(response.header("ETag")),
            lastModified: validator(response.header("Last-Modified")))
    }

    /// Plain file servers know no better.
    private static func plain(_ type: String) -> ReferenceSource.Format? {
        let kind = type.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        return ["", "text/plain", "application/octet-stream"].contains(kind) ? .json : nil
    }

    /// It is sent back in a header: nothing but visible ASCII, and not much of it.
    private static func validator(_ text: String?) -> String? {
        text.flatMap { $0.utf8.count <= 256 && $0.utf8.allSatisfy { (32...126).contains($0) } ? $0 : nil }
    }

    private static func outcome(_ error: CurlError) -> Outcome {
        switch error.kind {
        case .notPermitted, .invalidRequest: .failed(.notAllowed, "the address leads where it may not")
        case .tooLarge: .failed(.tooLarge, "the answer has more than \(ReferenceSource.maximumBytes) bytes")
        default: .failed(.unreachable, "\(error)")
        }
    }
}
