import Bus
import Open311
import Storage

/// What lies in a tenant's dead queue, by reason and type, for the words about it. Looking takes the letters in hand for a moment and
/// gives them back, which a broker counts as a delivery of each: so it is done once when there are some, and again when there are more.
public struct DeadLetterLook: Sendable {
    /// Opens a dead queue in a virtual host.
    public typealias Opener = @Sendable (_ queue: String, _ virtualHost: String) throws -> DeadLetterBox

    /// What was found, to be asked for again when it is old.
    struct Found: Equatable {
        var kinds: [String]
        var dead: Int
        var asked: Timestamp
    }

    /// What is known of all queues.
    struct Memory {
        var found: [TenantID: Found] = [:]
        /// One broker has them all: what fails for one tenant would cost the others' alerts the same time.
        var restsUntil: Timestamp?
    }

    /// Letters looked at.
    static let limit = 100
    /// Seconds until there may be another look at a queue, and at any after one that failed.
    static let pause: Int64 = 900
    static let pauseAfterFailure: Int64 = 60

    private let kinds: @Sendable (AlertTenant, _ dead: Int) async throws -> [String]

    public init(opener: @escaping Opener) {
        self.init { tenant, dead in
            let box = try opener(Topology(tenant: tenant.key).deadQueue, tenant.virtualHost)
            let letters: [DeadLetter]
            do { letters = try await box.open(limit: Self.limit) } catch {
                await box.close()
                throw error
            }
            await box.close()
            return Self.kinds(letters.map { (reason: $0.reason, type: $0.type) }, areAll: letters.count >= dead)
        }
    }

    init(kinds: @escaping @Sendable (AlertTenant, _ dead: Int) async throws -> [String]) { self.kinds = kinds }

    /// - Parameter alone: does what it is given while nobody else has the letters in hand; nil when somebody has.
    /// - Returns: what is known of the queue's letters.
    /// - Throws: why this look failed; what was known before stays.
    func look(
        at tenant: AlertTenant, dead: Int, _ memory: inout Memory, now: Timestamp,
        alone: (() async throws -> [String]) async throws -> [String]?
    ) async throws -> [String] {
        guard dead > 0 else {
            memory.found[tenant.id] = nil
            return []
        }
        let before = memory.found[tenant.id]
        // Some of them were taken away: the rest is known.
        if let before, dead < before.dead { memory.found[tenant.id]?.dead = dead }
        let isDue = before.map { dead > $0.dead && now.seconds - $0.asked.seconds >= Self.pause } ?? true
        guard isDue, memory.restsUntil.map({ $0 <= now }) ?? true else { return before?.kinds ?? [] }
        do {
            guard let kinds = try await alone({ try await self.kinds(tenant, dead) }) else { return before?.kinds ?? [] }
            memory.found[tenant.id] = Found(kinds: kinds, dead: dead, asked: now)
            memory.restsUntil = nil
            return kinds
        } catch {
            memory.restsUntil = now.adding(seconds: Self.pauseAfterFailure)
            throw error
        }
    }

    /// As in `rejected service_request.created.v1 2`, the most frequent first; `2/100` of the hundred that were looked at.
    static func kinds(_ letters: [(reason: String, type: String?)], areAll: Bool = true) -> [String] {
        // Whoever may publish there may write anything: only words as the broker and the bus have them are told.
        func word(_ text: String?) -> String {
            guard let text, (1...80).contains(text.utf8.count),
                text.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 95 || $0 == 46 })
            else { return "-" }
            return text
        }
        return Dictionary(grouping: letters) { word($0.reason) + " " + word($0.type) }
            .sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
            .prefix(5).map { "\($0.key) \($0.value.count)\(areAll ? "" : "/\(letters.count)")" }
    }
}
