import HTTPTypes
import Hummingbird
import Storage

/// HTTP calls for the audit, whichever service answers them.
enum HTTPAudit {
    static let traceparent = HTTPField.Name("traceparent") ?? .from

    static func record(
        _ direction: AuditDirection, _ route: String, _ request: Request, _ response: Response, _ requestID: String, _ trail: RequestTrail,
        since start: ContinuousClock.Instant, in audit: AuditRecorder?
    ) async {
        guard let audit else { return }
        let entry = trail.entry(
            direction, HTTPMetrics.methodName(request.method) + " " + route, Int(response.status.code),
            bytesOut: response.body.contentLength ?? 0, requestID, since: start)
        // Reads, and what strangers try, may come in floods; what a key's holder changes is a row each.
        await audit.record(entry, mayMerge: entry.actor == nil || request.method == .get || request.method == .head)
    }
}
