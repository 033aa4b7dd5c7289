import Metrics
import Open311
import Storage

/// Messages of one tenant with their delivery tags, in the order of arrival.
struct StatusGroup: Sendable {
    let tenant: Tenant
    private(set) var messages: [StatusMessage] = []
    private(set) var tags: [UInt64] = []

    init(tenant: Tenant) { self.tenant = tenant }

    mutating func add(_ message: StatusMessage, _ tag: UInt64) {
        messages.append(message)
        tags.append(tag)
    }

    /// Takes the first of them out; nil when there are none.
    mutating func takeFirst(_ count: Int) -> StatusGroup? {
        guard !messages.isEmpty else { return nil }
        var first = self
        if count < messages.count {
            first.messages.removeLast(messages.count - count)
            first.tags.removeLast(tags.count - count)
        }
        messages.removeFirst(first.messages.count)
        tags.removeFirst(first.tags.count)
        return first
    }

    /// - Parameter outcomes: as by REST: applied, repeated, superseded, refused; nil for failed.
    func count(_ outcomes: [String?]) {
        for (result, count) in Dictionary(outcomes.map { ($0 ?? "failed", 1) }, uniquingKeysWith: +) {
            Counter(
                label: "o311_status_updates_total", dimensions: [("tenant", tenant.key.rawValue), ("door", "amqp"), ("result", result)]
            ).increment(by: Int64(count))
            guard result == "repeated" else { continue }
            Counter(label: "o311_inbox_duplicates_total", dimensions: [("door", "amqp")]).increment(by: Int64(count))
        }
    }
}
