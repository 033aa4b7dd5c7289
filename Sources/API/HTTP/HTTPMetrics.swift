import HTTPTypes
import Hummingbird
import Metrics
import NIOConcurrencyHelpers
import Open311

/// Counters and timers of the HTTP services, one handle for each combination of a few labels.
enum HTTPMetrics {
    static let requestID = HTTPField.Name("X-Request-Id") ?? .from

    /// The caller's own id when it is 1 to 128 letters, digits and `-_.:+/=@`, otherwise a new one: what is echoed and logged
    /// holds nothing that a log or a header could take for its own syntax.
    static func requestID(of request: Request) -> String {
        if let given = request.headers[requestID], (1...128).contains(given.utf8.count), given.utf8.allSatisfy(isPlain) { return given }
        return EventID(at: .now).description
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122: true
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "+"), UInt8(ascii: "/"),
            UInt8(ascii: "="), UInt8(ascii: "@"):
            true
        default: false
        }
    }

    private static let counters = NIOLockedValueBox<[String: Counter]>([:])
    private static let timers = NIOLockedValueBox<[String: Metrics.Timer]>([:])

    static func record(_ route: String, _ method: HTTPRequest.Method, _ status: Int, since start: ContinuousClock.Instant) {
        let known: Set<HTTPRequest.Method> = [.get, .head, .post, .put, .options, .delete, .patch]
        let name = known.contains(method) ? method.rawValue : "other"
        counter("o311_http_requests_total", [("route", route), ("method", name), ("status_class", "\(status / 100)xx")]).increment()
        let elapsed = start.duration(to: .now).components
        timer(route).recordNanoseconds(elapsed.seconds * 1_000_000_000 + elapsed.attoseconds / 1_000_000_000)
    }

    static func created(tenant: String, channel: String) {
        counter("o311_requests_created_total", [("tenant", tenant), ("channel", channel)]).increment()
    }

    static func statusUpdate(tenant: String, result: String) {
        counter("o311_status_updates_total", [("tenant", tenant), ("door", "rest"), ("result", result)]).increment()
    }

    private static func counter(_ name: String, _ labels: [(String, String)]) -> Counter {
        let key = labels.reduce(name) { $0 + "|" + $1.1 }
        return counters.withLockedValue { counters in
            if let counter = counters[key] { return counter }
            let counter = Counter(label: name, dimensions: labels)
            counters[key] = counter
            return counter
        }
    }

    private static func timer(_ route: String) -> Metrics.Timer {
        timers.withLockedValue { timers in
            if let timer = timers[route] { return timer }
            let timer = Metrics.Timer(label: "o311_http_request_duration_seconds", dimensions: [("route", route)])
            timers[route] = timer
            return timer
        }
    }
}
