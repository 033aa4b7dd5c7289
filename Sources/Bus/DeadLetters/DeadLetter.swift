import AMQP
import Open311

/// A message that nobody took. Its body stays out of sight unless it is asked for: it may hold personal data.
public struct DeadLetter: Sendable {
    /// The broker's word: `rejected` by the consumer, `delivery_limit` after too many deliveries, `expired`, `maxlen`; `unroutable`
    /// for a message whose key led nowhere.
    public let reason: String
    /// The queue whose consumer did not take it.
    public let queue: String
    /// Of the message, `message_id`.
    public let messageID: String?
    /// The request it tells of, or the message it answers.
    public let correlationID: String?
    public let type: String?
    /// When the event came, seconds since 1970.
    public let timestamp: Int64?
    public let size: Int
    public let body: [UInt8]
    let tag: UInt64

    /// The event, when it is one of ours.
    public var event: EventID? { messageID.flatMap { EventID(parsing: $0) } }

    /// The request that it tells of, when it is an event of one.
    public var request: ServiceRequestID? {
        type?.hasPrefix("service_request.") == true ? correlationID.flatMap { ServiceRequestID(parsing: $0) } : nil
    }

    init(_ delivery: Delivery, from deadQueue: String) {
        let properties = delivery.properties
        func text(_ header: String) -> String? {
            if case .string(let text) = properties.header(header) { text } else { nil }
        }
        reason = text("x-first-death-reason") ?? "unroutable"
        queue = text("x-first-death-queue") ?? deadQueue
        messageID = properties.messageID
        correlationID = properties.correlationID
        type = properties.type
        timestamp = properties.timestamp
        size = delivery.body.count
        body = delivery.body
        tag = delivery.tag
    }
}

/// Which dead letters are meant; every condition that is given must hold.
public struct DeadLetterFilter: Sendable {
    public var reason: String?
    public var messageID: String?

    public init(reason: String? = nil, messageID: String? = nil) {
        self.reason = reason
        self.messageID = messageID
    }

    func matches(_ letter: DeadLetter) -> Bool {
        (reason.map { $0 == letter.reason } ?? true) && (messageID.map { $0 == letter.messageID } ?? true)
    }
}

/// Dead letters that died alike.
public struct DeadLetterGroup: Sendable, Encodable {
    public let queue: String
    public let reason: String
    public let type: String?
    public let count: Int
    /// When the oldest came, seconds since 1970.
    public let oldest: Int64?

    /// By queue, reason and type; the largest first.
    public static func groups(of letters: [DeadLetter]) -> [DeadLetterGroup] {
        struct Key: Hashable {
            let queue: String
            let reason: String
            let type: String?
        }
        return Dictionary(grouping: letters) { Key(queue: $0.queue, reason: $0.reason, type: $0.type) }
            .map { key, letters in
                DeadLetterGroup(
                    queue: key.queue, reason: key.reason, type: key.type, count: letters.count,
                    oldest: letters.compactMap(\.timestamp).min())
            }
            .sorted { ($1.count, $0.queue, $0.reason, $0.type ?? "") < ($0.count, $1.queue, $1.reason, $1.type ?? "") }
    }
}
