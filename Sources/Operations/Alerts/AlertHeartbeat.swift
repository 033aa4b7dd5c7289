import Curl
import Open311

/// Tells an external checker every minute that alerts are evaluated: when that ends, the checker alerts, whatever is broken here.
public actor AlertHeartbeat {
    private let client: HTTPClient
    private let url: String
    private let period: Int64
    private var next: Timestamp?
    /// Whether the checker took the last one.
    public private(set) var arrives: Bool?

    /// - Parameters:
    ///   - url: of the checker; the operator's own, so it may be inside the house.
    ///   - period: seconds from one to the next.
    public init(url: String, period: Int64 = 60, authorities: String? = nil) throws {
        client = try HTTPClient(name: "bus311-heart", certificateAuthorityFile: authorities)
        self.url = url
        self.period = period
    }

    func beat() async {
        guard next.map({ $0 <= .now }) ?? true else { return }
        next = Timestamp.now.adding(seconds: period)
        let request = HTTPRequest(method: "POST", url: url, body: [], timeout: .seconds(10), maximumResponseBytes: 65_536)
        do throws(CurlError) { arrives = try await client.send(request).isSuccess } catch { arrives = false }
    }

    func close() async { await client.close() }
}
