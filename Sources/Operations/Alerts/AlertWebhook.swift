import Crypto
import Curl
import Foundation
import Open311
import Storage

/// Posts an alert to the operator's own tool: JSON, signed, to a checked address only.
public struct AlertWebhook: Sendable {
    enum Outcome: Sendable, Equatable {
        case sent
        /// Another try may succeed; a short code says why.
        case later(String)
        /// None will.
        case never(String)
    }

    private let client: HTTPClient
    private let url: String
    private let secret: SymmetricKey
    private let linkGuard: LinkGuard

    /// - Parameters:
    ///   - secret: what bodies are signed with; the receiver knows it too.
    ///   - allowed: private addresses, each with its port, that the operator has named.
    ///   - authorities: PEM file of the authorities to trust; nil for the system's.
    public init(url: String, secret: String, allowed: Set<LinkGuard.Endpoint>, authorities: String?) throws {
        client = try HTTPClient(name: "bus311-hook", certificateAuthorityFile: authorities)
        self.url = url
        self.secret = SymmetricKey(data: Data(secret.utf8))
        linkGuard = LinkGuard(allowed: allowed)
    }

    /// `t=<seconds>,v1=<hexadecimal HMAC-SHA-256 of "<seconds>.<body>">`: the moment is signed too, so that an old one cannot be sent again.
    static func signature(of body: [UInt8], at seconds: Int64, _ secret: SymmetricKey) -> String {
        var code = HMAC<SHA256>(key: secret)
        code.update(data: Data("\(seconds).".utf8))
        code.update(data: body)
        let hex = code.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return "t=\(seconds),v1=\(hex)"
    }

    func send(_ delivery: AlertDelivery, at now: Timestamp = .now) async -> Outcome {
        guard let body = delivery.what.payload, let link = LinkAddress(url) else { return .never("address") }
        let checked: CheckedLink
        do { checked = try await linkGuard.check(link) } catch { return error == .notFound ? .later("name") : .never("not_permitted") }
        var request = HTTPRequest(
            method: "POST", url: link.url,
            headers: [
                HTTPHeader(name: "Content-Type", value: "application/json"),
                HTTPHeader(name: "X-Bus311-Delivery", value: "\(delivery.number)"),
                HTTPHeader(name: "X-Bus311-Signature", value: Self.signature(of: body, at: now.seconds, secret)),
            ], body: body, timeout: .seconds(15), maximumResponseBytes: 65_536)
        request.checkedLink = checked
        let status: Int
        do { status = try await client.send(request).status } catch {
            return error.kind == .notPermitted ? .never("not_permitted") : .later(error.kind.rawValue)
        }
        switch status {
        case 200..<300: return .sent
        // The receiver is gone for good.
        case 410: return .never("http_410")
        default: return .later("http_\(status)")
        }
    }

    func close() async { await client.close() }
}
