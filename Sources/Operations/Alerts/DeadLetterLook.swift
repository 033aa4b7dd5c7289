import Bus
import Open311
import Storage

/// What lies in a tenant's dead queue, by reason and type, for the first word about it. Looking takes the letters in hand for a moment and
/// gives them back, which a broker counts as a delivery of each: so it is done once when there are some, and again when there are more.
public struct DeadLetterLook: Sendable {
    /// Opens a dead queue in a virtual host.
    public typealias Opener = @Sendable (_ queue: String, _ virtualHost: String) throws -> DeadLetterBox

    /// What was found, to be asked for again when it is old.
    struct Found {
        var kinds: [String]
        var dead: Int
        var asked: Timestamp
    }

    /// Letters looked at.
    private static let limit = 100
    /// Seconds until there may be another look at a queue: sooner when the last one found nothing.
    private static let pause: Int64 = 900
    private static let pauseAfterFailure: Int64 = 60

    private let opener: Opener

    public init(opener: @escaping Opener) { self.opener = opener }

    /// - Returns: what is known of the queue now; nil when it is empty.
    func look(at tenant: AlertTenant, dead: Int, before: Found?, now: Timestamp) async -> Found? {
        guard dead > 0 else { return nil }
        if let before {
            let isOld = now.seconds - before.asked.seconds >= (before.kinds.isEmpty ? Self.pauseAfterFailure : Self.pause)
            guard isOld, before.kinds.isEmpty || before.dead != dead else { return before }
        }
        let kinds = (try? await kinds(of: tenant)) ?? before?.kinds ?? []
        return Found(kinds: kinds, dead: dead, asked: now)
    }

    /// As in `rejected service_request.created.v1 2`, the most frequent first.
    private func kinds(of tenant: AlertTenant) async throws -> [String] {
        let box = try opener(Topology(tenant: tenant.key).deadQueue, tenant.virtualHost)
        let letters: [DeadLetter]
        do { letters = try await box.open(limit: Self.limit) } catch {
            await box.close()
            throw error
        }
        await box.close()
        return Self.kinds(letters.map { (reason: $0.reason, type: $0.type) })
    }

    static func kinds(_ letters: [(reason: String, type: String?)]) -> [String] {
        // Whoever may publish there may write anything: only words as the broker and the bus have them are told.
        func word(_ text: String?) -> String {
            guard let text, (1...80).contains(text.utf8.count),
                text.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 95 || $0 == 46 })
            else { return "-" }
            return text
        }
        return Dictionary(grouping: letters) { word($0.reason) + " " + word($0.type) }
            .sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
            .prefix(5).map { "\($0.key) \($0.value.count)" }
    }
}
