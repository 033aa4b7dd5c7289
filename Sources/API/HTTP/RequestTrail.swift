import Crypto
import HTTPTypes
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Open311
import Storage

/// What is found out about a request while it is answered, for its log line and for the audit.
final class RequestTrail: Sendable {
    private struct State {
        var tenant: TenantID?
        var tenantKey: TenantKey?
        var actor: String?
        var request: ServiceRequestID?
        var objects: String?
        var route: String?
        var trace: TraceContext?
        var requestTrace: [UInt8]?
        var bodyBytes = 0
        var hash: SHA256?
        var bodyHash: [UInt8]?
    }

    private let state = NIOLockedValueBox(State())
    let began = Timestamp.now

    /// The tenant it turned out to be for. Not kept whole: it is large to copy.
    func note(_ tenant: Tenant) {
        state.withLockedValue {
            $0.tenant = tenant.id
            $0.tenantKey = tenant.key
        }
    }

    var tenant: TenantID? { state.withLockedValue { $0.tenant } }

    /// The public id of a valid key.
    var actor: String? {
        get { state.withLockedValue { $0.actor } }
        set { state.withLockedValue { $0.actor = newValue } }
    }

    /// The service request that was made, read or changed.
    var request: ServiceRequestID? {
        get { state.withLockedValue { $0.request } }
        set { state.withLockedValue { $0.request = newValue } }
    }

    /// Other objects, by names of ours.
    var objects: String? {
        get { state.withLockedValue { $0.objects } }
        set { state.withLockedValue { $0.objects = newValue } }
    }

    /// What it asked for, where the path alone does not say it.
    var route: String? {
        get { state.withLockedValue { $0.route } }
        set { state.withLockedValue { $0.route = newValue } }
    }

    var trace: TraceContext? {
        get { state.withLockedValue { $0.trace } }
        set { state.withLockedValue { $0.trace = newValue } }
    }

    /// The trace of the request that this is about, 16 bytes: counts where the caller names none.
    var requestTrace: [UInt8]? {
        get { state.withLockedValue { $0.requestTrace } }
        set { state.withLockedValue { $0.requestTrace = newValue } }
    }

    // MARK: The body

    /// Bytes of the body, in their order.
    func read(_ chunk: ByteBuffer) {
        state.withLockedValue { state in
            var hash = state.hash ?? SHA256()
            chunk.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
            state.hash = hash
            state.bodyBytes += chunk.readableBytes
        }
    }

    /// The body was read to its end: only then has it a hash.
    func readToEnd() {
        state.withLockedValue { state in
            guard let hash = state.hash else { return }
            state.bodyHash = Array(hash.finalize())
            state.hash = nil
        }
    }

    // MARK: What becomes of it

    func entry(
        _ direction: AuditDirection, _ operation: String, _ status: Int, bytesOut: Int, _ requestID: String,
        since start: ContinuousClock.Instant
    ) -> AuditEntry {
        let state = self.state.withLockedValue { $0 }
        let isTest = state.tenant?.isTest ?? false
        return AuditEntry(
            at: began, tenant: state.tenant, direction: direction, actor: state.actor, operation: operation, request: state.request,
            objects: isTest ? "test" + (state.objects.map { " " + $0 } ?? "") : state.objects, result: String(status),
            duration: start.duration(to: .now), bytesIn: state.bodyBytes, bytesOut: bytesOut, correlationID: requestID,
            traceID: state.trace?.traceID ?? state.requestTrace, bodyHash: state.bodyHash)
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
        if let tenant = state.withLockedValue({ $0.tenantKey }) { metadata["tenant"] = "\(tenant)" }
        if let trace { metadata["trace_id"] = "\(trace.description.dropFirst(3).prefix(32))" }
        logger.log(level: level, "request answered", metadata: metadata)
    }
}
