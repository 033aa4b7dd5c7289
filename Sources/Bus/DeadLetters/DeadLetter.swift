import AMQP
import Open311

/// A message that nobody took. Its body stays out of sight unless it is asked for: it may hold personal data.
public struct DeadLetter: Sendable {
    /// The broker's word: `rejected` by the consumer, `delivery_limit` after too many deliveries, `expired`, `maxlen`; `unroutable`
    /// for a message whose key led nowhere.
    public let reason: String
    /// The queue whose consumer did not take it.
    public let queue: String
    /// Of the message, `message_id`: an event's id, or what a CRM calls its status.
    public let messageID: String?
    /// The request it tells of, or the message it answers.
    public let correlationID: String?
    public let type: String?
    /// When the event came, seconds since 1970.
    public let timestamp: Int64?
    /// When the broker put it aside, as its `x-death` says; to the second.
    public let diedAt: Timestamp?
    public let size: Int
    /// Whose status it is, as the broker knows it: no header that its sender could have written counts. Nil for an event of ours, and
    /// for what came through no tenant's exchange.
    public let sender: TenantKey?
    /// Nil unless its body was asked for.
    let delivery: Delivery?
    let tag: UInt64

    public var body: [UInt8]? { delivery?.body }

    /// The event, when it is one of ours.
    public var event: EventID? { messageID.flatMap { EventID(parsing: $0) } }

    /// The request that it tells of, when it is an event of one.
    public var request: ServiceRequestID? {
        type?.hasPrefix("service_request.") == true ? correlationID.flatMap { ServiceRequestID(parsing: $0) } : nil
    }

    /// Whether a consumer had it in its hands: what expired or did not fit in had none.
    public var hadConsumer: Bool { reason == "rejected" || reason == "delivery_limit" }

    init(_ delivery: Delivery, from deadQueue: String, keepsBody: Bool) {
        let properties = delivery.properties
        func text(_ header: String) -> String? {
            if case .string(let text) = properties.header(header) { text } else { nil }
        }
        reason = text("x-first-death-reason") ?? "unroutable"
        switch deadQueue {
        case SharedTopology.statusDeadQueue:
            // It lay in the status queue that its key leads to, and its first word is the tenant's.
            sender = delivery.routingKey.split(separator: ".").first.flatMap { try? TenantKey(validating: String($0)) }
            queue = sender.map { Topology(tenant: $0).statusQueue } ?? deadQueue
        case SharedTopology.strayQueue:
            sender = Topology.owner(of: delivery.exchange, ending: "status")
            queue = deadQueue
        default:
            sender = nil
            queue = text("x-first-death-queue") ?? deadQueue
        }
        messageID = properties.messageID
        correlationID = properties.correlationID
        type = properties.type
        timestamp = properties.timestamp
        size = delivery.body.count
        self.delivery = keepsBody ? delivery : nil
        if case .integer(let second) = properties.header("x-death") {
            diedAt = Timestamp(seconds: min(max(second, 0), 1 << 40))
        } else {
            diedAt = nil
        }
        tag = delivery.tag
    }
}

/// Which dead letters are meant; every condition that is given must hold.
public struct DeadLetterFilter: Sendable {
    public var reason: String?
    public var messageID: String?
    /// Of a status.
    public var sender: TenantKey?

    public init(reason: String? = nil, messageID: String? = nil, sender: TenantKey? = nil) {
        self.reason = reason
        self.messageID = messageID
        self.sender = sender
    }

    func matches(_ letter: DeadLetter) -> Bool {
        (reason.map { $0 == letter.reason } ?? true) && (messageID.map { $0 == letter.messageID } ?? true)
            && (sender.map { $0 == letter.sender } ?? true)
    }
}

/// Dead letters that died alike.
public struct DeadLetterGroup: Sendable, Encodable {
    public let queue: String
    public let reason: String
    public let type: String?
    /// Who refused them or failed over them; nil when no consumer had them. RabbitMQ does not write it into a message: it is told by
    /// who consumed the queue at that moment.
    public let consumer: String?
    public let count: Int
    /// When the oldest was published, as in 2026-03-01T10:00:00Z.
    public let oldest: String?

    /// By queue, reason, type and consumer; the largest first.
    ///
    /// - Parameter consumer: who had a letter; nil when nobody had.
    public static func groups(of letters: [DeadLetter], consumer: (DeadLetter) -> String?) -> [DeadLetterGroup] {
        struct Key: Hashable {
            let queue: String
            let reason: String
            let type: String?
            let consumer: String?
        }
        return Dictionary(grouping: letters) { Key(queue: $0.queue, reason: $0.reason, type: $0.type, consumer: consumer($0)) }
            .map { key, letters in
                DeadLetterGroup(
                    queue: key.queue, reason: key.reason, type: key.type, consumer: key.consumer, count: letters.count,
                    oldest: letters.compactMap(\.timestamp).min().map { Timestamp(seconds: $0).iso8601 })
            }
            .sorted { left, right in
                if left.count != right.count { return left.count > right.count }
                return (left.queue, left.reason, left.type ?? "", left.consumer ?? "")
                    < (right.queue, right.reason, right.type ?? "", right.consumer ?? "")
            }
    }
}
