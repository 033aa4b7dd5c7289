import CRabbitMQ

/// What the broker said, copied out of the library's memory.
enum BrokerEvent {
    /// Nothing, within the time.
    case none
    case acknowledged(tag: UInt64, multiple: Bool)
    case refused(tag: UInt64, multiple: Bool)
    case returned(messageID: String, code: Int, text: String)
    case delivery(Delivery, remaining: Int)
    case consumerCancelled(queue: String)
    case blocked(reason: String)
    case unblocked

    /// - Parameter event: of any kind but failed.
    init(_ event: rmq_event) {
        switch event.kind {
        case RMQ_EVENT_ACK: self = .acknowledged(tag: event.delivery_tag, multiple: event.multiple)
        case RMQ_EVENT_NACK: self = .refused(tag: event.delivery_tag, multiple: event.multiple)
        case RMQ_EVENT_RETURN:
            self = .returned(
                messageID: String(event.properties.message_id),
                code: Int(event.code),
                text: String(event.text)
            )
        case RMQ_EVENT_DELIVERY: self = .delivery(Delivery(event), remaining: Int(event.remaining))
        case RMQ_EVENT_CANCEL: self = .consumerCancelled(queue: String(event.text))
        case RMQ_EVENT_BLOCKED: self = .blocked(reason: String(event.text))
        case RMQ_EVENT_UNBLOCKED: self = .unblocked
        default: self = .none
        }
    }
}

extension String {
    /// Bytes that are no UTF-8 are replaced: what strangers publish must not end a connection.
    fileprivate init(_ bytes: rmq_bytes) {
        self.init(decoding: UnsafeBufferPointer(start: bytes.bytes, count: bytes.length), as: UTF8.self)
    }

    fileprivate init?(property bytes: rmq_bytes) {
        guard bytes.length > 0 else { return nil }
        self.init(bytes)
    }
}

extension Delivery {
    fileprivate init(_ event: rmq_event) {
        self.init(
            tag: event.delivery_tag,
            exchange: String(event.exchange),
            routingKey: String(event.routing_key),
            redelivered: event.redelivered,
            body: Array(UnsafeBufferPointer(start: event.body.bytes, count: event.body.length)),
            properties: MessageProperties(event.properties),
            userID: String(property: event.properties.user_id),
            contentEncoding: String(property: event.properties.content_encoding)
        )
    }
}

extension MessageProperties {
    fileprivate init(_ properties: rmq_properties) {
        self.init(
            messageID: String(property: properties.message_id),
            correlationID: String(property: properties.correlation_id),
            type: String(property: properties.type),
            contentType: String(property: properties.content_type),
            deliveryMode: DeliveryMode(rawValue: properties.delivery_mode) ?? .transient,
            timestamp: properties.has_timestamp ? Int64(exactly: properties.timestamp) : nil,
            appID: String(property: properties.app_id),
            replyTo: String(property: properties.reply_to),
            headers: UnsafeBufferPointer(start: properties.headers, count: properties.header_count).map { header in
                (String(header.name), HeaderValue(header))
            }
        )
    }
}

extension HeaderValue {
    fileprivate init(_ header: rmq_header) {
        switch header.kind {
        case RMQ_HEADER_INTEGER: self = .integer(header.integer)
        case RMQ_HEADER_BOOLEAN: self = .boolean(header.integer != 0)
        default: self = .string(String(header.text))
        }
    }
}
