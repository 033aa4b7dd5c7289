import HTTPTypes
import Hummingbird
import Logging
import Metrics
import NIOConcurrencyHelpers
import NIOCore
import Open311

/// What each service last said of what it depends on.
public final class HealthRegistry: Sendable {
    struct Entry: Sendable {
        var isOK: Bool
        var detail: String
        var since: Timestamp
    }

    private let entries = NIOLockedValueBox<[String: Entry]>([:])
    private let logger: Logger

    public init(logger: Logger) { self.logger = logger }

    /// Keeps what a service says, and tells the log and the metrics when it is news.
    ///
    /// - Parameters:
    ///   - dependency: who needs what: `gateway.postgresql`, `relay.broker`.
    ///   - detail: for operators; never a secret, never data.
    public func report(_ dependency: String, isOK: Bool, detail: String = "") {
        let previous = entries.withLockedValue { entries -> Entry? in
            let previous = entries[dependency]
            let since = previous.flatMap { $0.isOK == isOK ? $0.since : nil } ?? .now
            entries[dependency] = Entry(isOK: isOK, detail: detail, since: since)
            return previous
        }
        guard previous?.isOK != isOK else { return }
        Gauge(label: "o311_dependency_up", dimensions: [("dependency", dependency)]).record(isOK ? 1 : 0)
        if !isOK {
            logger.warning("dependency lost", metadata: ["dependency": "\(dependency)", "error": "\(detail)"])
        } else if let previous {
            let seconds = (Timestamp.now.microseconds - previous.since.microseconds) / 1_000_000
            logger.notice("dependency back", metadata: ["dependency": "\(dependency)", "after_seconds": "\(seconds)"])
        }
    }

    var all: [(name: String, entry: Entry)] {
        entries.withLockedValue { $0.sorted { $0.key < $1.key }.map { (name: $0.key, entry: $0.value) } }
    }
}

/// `/health/live`, `/health/ready` and `/metrics`, for the loopback port.
public struct HealthService: HTTPResponder {
    public typealias Context = BasicRequestContext

    let registry: HealthRegistry
    let metrics: @Sendable () -> String

    public init(registry: HealthRegistry, metrics: @escaping @Sendable () -> String) {
        self.registry = registry
        self.metrics = metrics
    }

    public func respond(to request: Request, context: Context) async throws -> Response {
        switch request.uri.path {
        case "/health/live": return Self.response(200, "application/json", Array("{\"live\":true}\n".utf8))
        case "/health/ready": return ready
        case "/metrics": return Self.response(200, "text/plain; version=0.0.4; charset=utf-8", Array(metrics().utf8))
        default: return Self.response(404, "text/plain; charset=utf-8", Array("Try /health/live, /health/ready or /metrics.\n".utf8))
        }
    }

    private var ready: Response {
        let all = registry.all
        let isReady = all.allSatisfy { $0.entry.isOK }
        var writer = JSONWriter()
        writer.beginObject()
        writer.name("ready")
        writer.value(isReady)
        writer.name("dependencies")
        writer.beginArray()
        for (name, entry) in all {
            writer.beginObject()
            writer.name("name")
            writer.value(name)
            writer.name("ok")
            writer.value(entry.isOK)
            writer.name("since")
            writer.value(entry.since)
            writer.name("detail")
            writer.value(entry.detail)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return Self.response(isReady ? 200 : 503, "application/json", writer.bytes)
    }

    private static func response(_ status: Int, _ contentType: String, _ bytes: [UInt8]) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = contentType
        return Response(
            status: HTTPResponse.Status(code: status), headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
