/// One message to publish, under the caller's own number.
public struct Publication: Sendable {
    /// The caller's number for it; comes back in its ``Resolution``. Unique among what is in flight.
    public var tag: Int64
    /// Empty for the default exchange, which routes by queue name.
    public var exchange: String
    public var routingKey: String
    public var body: [UInt8]
    public var properties: MessageProperties
    /// Ask the broker to return the message when no queue takes it. Needs a message id.
    public var mandatory: Bool

    public init(
        tag: Int64,
        exchange: String,
        routingKey: String,
        body: [UInt8],
        properties: MessageProperties,
        mandatory: Bool = true
    ) {
        self.tag = tag
        self.exchange = exchange
        self.routingKey = routingKey
        self.body = body
        self.properties = properties
        self.mandatory = mandatory
    }
}

/// What became of one publication. Each is reported exactly once.
public struct Resolution: Sendable, Hashable {
    public enum Outcome: Sendable, Hashable {
        /// The broker has taken responsibility: in a quorum queue, a majority has written it.
        case confirmed
        /// No queue took it; the broker's code (312: no route) and words.
        case returned(code: Int, text: String)
        /// The broker refused it, for instance because its queue is full.
        case nacked
        /// Not sent: the broker had blocked the connection, or what was in flight left no room. Publish it again, once the state is
        /// connected.
        case withheld
        /// Not sent and never will be: it cannot be written in the protocol, for the reason given.
        case invalid(reason: String)
    }

    public let tag: Int64
    public let outcome: Outcome
    /// From just before writing to the broker's answer; zero for what was not sent.
    public let confirmLatency: Duration

    public init(tag: Int64, outcome: Outcome, confirmLatency: Duration) {
        self.tag = tag
        self.outcome = outcome
        self.confirmLatency = confirmLatency
    }
}
