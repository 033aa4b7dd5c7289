import Bus
import Open311
import Storage

/// Who had dead letters in hand when they died, as far as it is known.
struct DeadLetterConsumers {
    private let tenant: Tenant?
    private let seen: [Timestamp: (consuming: [String], connected: [String])]

    /// - Parameter tenant: nil for the installation's own dead queues, whose messages the status consumer refused.
    init(of letters: [DeadLetter], _ tenant: Tenant?, _ store: AdministrationStore) async throws {
        self.tenant = tenant
        guard let tenant else {
            seen = [:]
            return
        }
        seen = try await store.consumers(of: tenant.id, at: Set(letters.filter(\.hadConsumer).compactMap(\.diedAt)))
    }

    /// - Returns: nil when no consumer had it.
    func name(_ letter: DeadLetter) -> String? {
        guard letter.hadConsumer else { return nil }
        guard let tenant else { return ServiceAccount.statusIngest.rawValue }
        // Only the tenant's own users can consume its queue.
        guard let seen = letter.diedAt.flatMap({ seen[$0] }) else { return "t.\(tenant.key).*, not seen by the watch" }
        guard seen.consuming.isEmpty else { return Self.text(seen.consuming) }
        return Self.text(seen.connected) + ", connected but not seen consuming"
    }

    private static func text(_ names: [String]) -> String {
        names.count == 1 ? names[0] : "one of " + names.joined(separator: " | ")
    }
}
