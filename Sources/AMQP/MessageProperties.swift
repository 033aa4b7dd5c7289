/// What travels with a body. A property that is nil or empty is not sent.
///
/// Texts are bounded to 255 bytes by the protocol; header values are bounded by the frame size.
public struct MessageProperties: Sendable {
    public enum DeliveryMode: UInt8, Sendable {
        case transient = 1
        /// Survives a restart of the broker, in a durable queue.
        case persistent = 2
    }

    /// Required on a mandatory publication: a returned message is recognised by it.
    public var messageID: String?
    public var correlationID: String?
    public var type: String?
    public var contentType: String?
    public var deliveryMode: DeliveryMode
    /// Seconds since 1970.
    public var timestamp: Int64?
    public var appID: String?
    public var replyTo: String?
    /// In order of appearance. Received tables and arrays are left out, but for `x-death`: of it the moment of the latest death is
    /// kept, in seconds since 1970.
    public var headers: [(String, HeaderValue)]

    public init(
        messageID: String? = nil,
        correlationID: String? = nil,
        type: String? = nil,
        contentType: String? = nil,
        deliveryMode: DeliveryMode = .persistent,
        timestamp: Int64? = nil,
        appID: String? = nil,
        replyTo: String? = nil,
        headers: [(String, HeaderValue)] = []
    ) {
        self.messageID = messageID
        self.correlationID = correlationID
        self.type = type
        self.contentType = contentType
        self.deliveryMode = deliveryMode
        self.timestamp = timestamp
        self.appID = appID
        self.replyTo = replyTo
        self.headers = headers
    }

    /// The first header of that name.
    public func header(_ name: String) -> HeaderValue? { headers.first { $0.0 == name }?.1 }
}

/// A header's value: the kinds that every AMQP version and client keeps.
public enum HeaderValue: Sendable, Hashable {
    case string(String)
    case integer(Int64)
    case boolean(Bool)
}
