import HTTPTypes
import Logging
import NIOConcurrencyHelpers
import Open311

/// What is found out about a request while it is answered, for its log line.
final class RequestTrail: Sendable {
    private let state = NIOLockedValueBox<TenantKey?>(nil)

    /// The tenant it turned out to be for.
    var tenant: TenantKey? {
        get { state.withLockedValue { $0 } }
        set { state.withLockedValue { $0 = newValue } }
    }

    /// One line for each request: a fault of ours is a warning, a refusal is information, the rest is told to those who ask for
    /// `debug`. No query, no address, no text of the caller's: they may be personal.
    func log(
        _ logger: Logger, _ route: String, _ method: HTTPRequest.Method, _ status: Int, _ requestID: String,
        since start: ContinuousClock.Instant
    ) {
        let level: Logger.Level = status >= 500 ? .warning : status >= 400 && status != 404 ? .info : .debug
        guard logger.logLevel <= level else { return }
        var metadata: Logger.Metadata = [
            "request_id": "\(requestID)", "route": "\(route)", "method": "\(method.rawValue.prefix(16))", "status": "\(status)",
            "duration_ms": "\(start.duration(to: .now) / .milliseconds(1))",
        ]
        if let tenant { metadata["tenant"] = "\(tenant)" }
        logger.log(level: level, "request answered", metadata: metadata)
    }
}
