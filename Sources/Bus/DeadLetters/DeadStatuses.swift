import AMQP
import Open311
import Storage

/// Statuses of CRMs that the status consumer put aside, judged once more by its very rules: they take no second way over the broker, and
/// each sender has the receipt that it would have had.
public struct DeadStatuses: Sendable {
    /// What became of one.
    public enum Outcome: Sendable, Hashable {
        /// Its sender has a receipt: `applied`, `repeated`, `superseded` or `refused`.
        case answered(String)
        /// The database refuses it still.
        case failed
        /// Nobody can be answered: the reason, for operators.
        case unattributable(String)
    }

    private let inbox: StatusInbox
    private let tenants: [TenantKey: Tenant]

    /// - Parameter tenants: of the virtual host whose letters they are.
    public init(inbox: StatusInbox, tenants: [Tenant]) {
        self.inbox = inbox
        self.tenants = Dictionary(tenants.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Judges them, a tenant's in their order.
    ///
    /// - Parameter letters: with their bodies; a hundred or so: their requests are locked until all of a tenant's are judged.
    /// - Returns: what became of each, in order. Judged again after that, an accepted one is `repeated` and changes nothing.
    /// - Throws: only when the database is away; of one tenant all or nothing was written then.
    public func judge(_ letters: [DeadLetter]) async throws(StorageError) -> [Outcome] {
        var outcomes = [Outcome](repeating: .unattributable("it was opened without its body"), count: letters.count)
        var groups: [(tenant: Tenant, places: [Int], messages: [StatusMessage])] = []
        for (place, letter) in letters.enumerated() {
            switch message(of: letter) {
            case .message(let message, let tenant):
                let group = groups.firstIndex { $0.tenant.key == tenant.key } ?? groups.count
                if group == groups.count { groups.append((tenant, [], [])) }
                groups[group].places.append(place)
                groups[group].messages.append(message)
            case .unattributable(let reason): outcomes[place] = .unattributable(reason)
            case nil: break
            }
        }
        for group in groups {
            for (place, word) in zip(group.places, try await inbox.take(group.messages, of: group.tenant)) {
                outcomes[place] = word.map { .answered($0) } ?? .failed
            }
        }
        return outcomes
    }

    private func message(of letter: DeadLetter) -> StatusDelivery? {
        guard let delivery = letter.delivery else { return nil }
        let now = Timestamp.now
        // That it was given out before does not mean that it has its answer.
        let anew = Delivery(
            tag: delivery.tag, exchange: delivery.exchange, routingKey: delivery.routingKey, redelivered: false, body: delivery.body,
            properties: delivery.properties, userID: delivery.userID, contentEncoding: delivery.contentEncoding)
        return StatusDelivery(anew, from: letter.sender.flatMap { tenants[$0] }, receivedAt: min(letter.diedAt ?? now, now))
    }
}
