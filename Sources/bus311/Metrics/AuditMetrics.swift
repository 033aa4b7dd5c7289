import Crypto
import Curl
import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// How the audit is written, as numbers.
enum AuditMetrics {
    static func report(_ service: String) -> @Sendable (AuditRecorder.Progress) -> Void {
        let waiting = Gauge(label: "o311_audit_waiting", dimensions: [("service", service)])
        let lost = Counter(label: "o311_audit_lost_total", dimensions: [("service", service)])
        let slowed = Counter(label: "o311_audit_slowed_total", dimensions: [("service", service)])
        let duration = Metrics.Timer(label: "o311_audit_write_duration_seconds")
        let written = Dictionary(
            uniqueKeysWithValues: AuditDirection.allCases.map {
                ($0, Counter(label: "o311_audit_written_total", dimensions: [("direction", $0.rawValue)]))
            })
        return { progress in
            waiting.record(progress.waiting)
            // Zero counts too: an alert needs a series before its first rise.
            lost.increment(by: progress.lost)
            slowed.increment(by: progress.slowed)
            if let last = progress.duration { duration.record(duration: last) }
            for (direction, calls) in progress.written { written[direction]?.increment(by: calls) }
        }
    }
}

/// Writes until the services before it in the list have stopped.
struct AuditService: ServiceLifecycle.Service {
    let recorder: AuditRecorder

    func run() async throws { await cancelWhenGracefulShutdown { await recorder.run() } }
}

extension AuditEntry {
    /// A call to somebody else's server. `GET https://host:443` is no object of ours, so it stands among the objects.
    init(_ call: OutgoingCall, by actor: String) {
        let ended = Timestamp.now
        self.init(
            at: Timestamp(microseconds: ended.microseconds - Int64(call.duration / .microseconds(1))),
            tenant: call.tenant.map { TenantID($0) },
            direction: call.way == .http ? .outHTTP : .outSMTP, actor: actor, operation: call.method, objects: call.server,
            result: call.result, duration: call.duration, bytesIn: call.bytesIn, bytesOut: call.bytesOut,
            bodyHash: call.body.map { Array(SHA256.hash(data: $0)) })
    }
}
