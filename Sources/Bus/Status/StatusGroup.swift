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

    /// - Parameter result: as by REST: applied, repeated, superseded, refused; or failed.
    func count(_ result: String) {
        Counter(
            label: "o311_status_updates_total", dimensions: [("tenant", tenant.key.rawValue), ("door", "amqp"), ("result", result)]
        ).increment()
        if result == "repeated" { Counter(label: "o311_inbox_duplicates_total", dimensions: [("door", "amqp")]).increment() }
    }
}
