/// One message from a queue. It stays the broker's until acknowledged or rejected by its tag, on the connection it came from.
public struct Delivery: Sendable {
    public let tag: UInt64
    public let exchange: String
    public let routingKey: String
    /// Delivered before, to this consumer or another, without an acknowledgement.
    public let redelivered: Bool
    public let body: [UInt8]
    /// `x-delivery-count`, where the queue counts deliveries, is among the headers.
    public let properties: MessageProperties
    /// The publisher's user, verified by the broker; nil when the publisher did not state it.
    public let userID: String?
    /// What the publisher says that the body went through; nil when it says nothing.
    public let contentEncoding: String?

    public init(
        tag: UInt64,
        exchange: String,
        routingKey: String,
        redelivered: Bool,
        body: [UInt8],
        properties: MessageProperties,
        userID: String? = nil,
        contentEncoding: String? = nil
    ) {
        self.tag = tag
        self.exchange = exchange
        self.routingKey = routingKey
        self.redelivered = redelivered
        self.body = body
        self.properties = properties
        self.userID = userID
        self.contentEncoding = contentEncoding
    }
}
