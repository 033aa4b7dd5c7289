import Curl
import Foundation
import Storage

/// Gets what stands behind one citizen's link onto this machine's disk, through a guard: no private address, not after a redirect
/// either, nothing too long or too slow, and no word of what was found there to anybody but the cleaner.
struct LinkFetch: Sendable {
    enum Outcome: Sendable, Equatable {
        case fetched
        case refused(PhotoRefusal)
        /// Another try may succeed.
        case later
    }

    static let maximumRedirects = 3
    private static let connectTimeout = Duration.seconds(5)
    private static let timeout = Duration.seconds(30)

    let client: HTTPClient
    let linkGuard: LinkGuard

    /// - Parameters:
    ///   - text: the link as the citizen gave it.
    ///   - allowsCleartext: whether `http` will do.
    ///   - path: of a file that is not there yet.
    ///   - maximumBytes: of the answer.
    func fetch(_ text: String, allowsCleartext: Bool, to path: String, maximumBytes: Int) async -> Outcome {
        var next = LinkAddress(text)
        for _ in 0...Self.maximumRedirects {
            guard let link = next, link.isSecure || allowsCleartext else { return .refused(.linkNotAllowed) }
            let checked: CheckedLink
            do { checked = try await linkGuard.check(link) } catch {
                return error == .notFound ? .later : .refused(.linkNotAllowed)
            }
            let response: HTTPResponse
            do { response = try await client.send(Self.request(checked, path, maximumBytes)) } catch { return Self.outcome(error) }
            switch response.status {
            case 200: return .fetched
            case 301, 302, 303, 307, 308: next = response.header("Location").flatMap { link.redirected(to: $0) }
            case 408, 425, 429, 500...599: return .later
            default: return .refused(.linkUnreachable)
            }
            // What another answer than 200 may have left.
            try? FileManager.default.removeItem(atPath: path)
        }
        return .refused(.linkNotAllowed)
    }

    private static func request(_ checked: CheckedLink, _ path: String, _ maximumBytes: Int) -> HTTPRequest {
        var request = HTTPRequest(
            url: checked.link.url, headers: [HTTPHeader(name: "Accept", value: "image/jpeg, image/png, image/webp, image/heic")],
            download: FileDownload(path: path), connectTimeout: connectTimeout, timeout: timeout, maximumResponseBytes: maximumBytes)
        request.checkedLink = checked
        return request
    }

    private static func outcome(_ error: CurlError) -> Outcome {
        switch error.kind {
        case .notPermitted, .invalidRequest: .refused(.linkNotAllowed)
        case .tooLarge: .refused(.linkTooLarge)
        case .malformedAnswer: .refused(.linkUnreachable)
        default: .later
        }
    }
}
