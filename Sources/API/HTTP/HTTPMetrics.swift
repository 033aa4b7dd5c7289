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
        let number = made.withLockedValue { number in
            number += 1
            return number
        }
        return process + String(number, radix: 16)
    }

    /// Tells this process's ids from those of others.
    private static let process = String(UInt64.random(in: 1 << 60..<UInt64.max), radix: 16) + "-"
    private static let made = NIOLockedValueBox<UInt64>(0)

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

    /// What every request is counted under; looked up without making a string.
    private struct RequestLabels: Hashable {
        let route: String
        let method: HTTPRequest.Method
        let statusClass: Int
    }

    private struct RequestHandles {
        let count: Counter
        let time: Metrics.Timer
    }

    private static let known: Set<HTTPRequest.Method> = [.get, .head, .post, .put, .options, .delete, .patch]
    private static let requests = NIOLockedValueBox<[RequestLabels: RequestHandles]>([:])

    static func record(_ route: String, _ method: HTTPRequest.Method, _ status: Int, since start: ContinuousClock.Instant) {
        let method = known.contains(method) ? method : .trace
        let labels = RequestLabels(route: route, method: method, statusClass: status / 100)
        let handles = requests.withLockedValue { requests in
            if let handles = requests[labels] { return handles }
            let name = methodName(method)
            let handles = RequestHandles(
                count: Counter(
                    label: "o311_http_requests_total",
                    dimensions: [("route", route), ("method", name), ("status_class", "\(status / 100)xx")]
                ),
                time: Metrics.Timer(label: "o311_http_request_duration_seconds", dimensions: [("route", route)])
            )
            requests[labels] = handles
            return handles
        }
        handles.count.increment()
        let elapsed = start.duration(to: .now).components
        handles.time.recordNanoseconds(elapsed.seconds * 1_000_000_000 + elapsed.attoseconds / 1_000_000_000)
    }

    /// Others are counted together: their names are the callers' to choose.
    static func methodName(_ method: HTTPRequest.Method) -> String { known.contains(method) ? method.rawValue : "other" }

    static func created(tenant: String, channel: String) {
        counter("o311_requests_created_total", [("tenant", tenant), ("channel", channel)]).increment()
    }

    static func statusUpdates(_ count: Int, tenant: String, result: String) {
        counter("o311_status_updates_total", [("tenant", tenant), ("door", "rest"), ("result", result)]).increment(by: Int64(count))
        if result == "repeated" { counter("o311_inbox_duplicates_total", [("door", "rest")]).increment(by: Int64(count)) }
    }

    /// The CRM's first word on a request came so long after its POST.
    static func acknowledged(tenant: String, after delay: Duration) {
        Metrics.Timer(label: "o311_crm_ack_delay_seconds", dimensions: [("tenant", tenant)]).record(duration: delay)
    }

    static func referenceChange(kind: String, outcome: String) {
        counter("o311_reference_changes_total", [("kind", kind), ("outcome", outcome)]).increment()
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
}
