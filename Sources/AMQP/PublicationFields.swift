import CRabbitMQ

/// The texts of one publication laid out in one byte block, as the C side reads them.
///
/// Kept between publications, so that a message costs no allocation once the buffers have grown.
struct PublicationFields {
    private var bytes: [UInt8] = []
    private var headers: [rmq_outgoing_header] = []
    private var layout = rmq_publication()

    /// Lays the publication out.
    ///
    /// - Parameter frameLimit: bytes that the broker accepts in one frame; properties and headers must fit into one.
    /// - Returns: why the protocol cannot carry it, or nil when it can.
    mutating func load(_ publication: Publication, frameLimit: Int) -> String? {
        bytes.removeAll(keepingCapacity: true)
        headers.removeAll(keepingCapacity: true)
        let properties = publication.properties
        var tooLong: String?
        func short(_ text: String?, _ name: String) -> rmq_span {
            guard let text, !text.isEmpty else { return rmq_span() }
            let span = append(text)
            if span.length > 255 { tooLong = tooLong ?? name }
            return span
        }
        layout.exchange = short(publication.exchange, "exchange")
        layout.routing_key = short(publication.routingKey, "routing key")
        layout.message_id = short(properties.messageID, "message id")
        layout.correlation_id = short(properties.correlationID, "correlation id")
        layout.type = short(properties.type, "type")
        layout.content_type = short(properties.contentType, "content type")
        layout.app_id = short(properties.appID, "app id")
        layout.reply_to = short(properties.replyTo, "reply-to")
        for (name, value) in properties.headers {
            var header = rmq_outgoing_header()
            header.name = short(name, "header name")
            if header.name.length == 0 { return "a header has no name" }
            switch value {
            case .string(let text):
                header.kind = RMQ_HEADER_TEXT
                header.text = append(text)
            case .integer(let integer):
                header.kind = RMQ_HEADER_INTEGER
                header.integer = integer
            case .boolean(let boolean):
                header.kind = RMQ_HEADER_BOOLEAN
                header.integer = boolean ? 1 : 0
            }
            headers.append(header)
        }
        if let tooLong { return "the \(tooLong) is longer than 255 bytes" }
        // Sixteen bytes cover the lengths and kind of a header, 64 the fixed fields and the frame around.
        if bytes.count + headers.count * 16 + 64 > frameLimit { return "properties and headers do not fit in \(frameLimit) bytes" }
        if publication.mandatory, layout.message_id.length == 0 { return "a mandatory message needs a message id" }
        if let timestamp = properties.timestamp, timestamp < 0 { return "the timestamp is before 1970" }
        layout.delivery_mode = properties.deliveryMode.rawValue
        layout.mandatory = publication.mandatory
        layout.has_timestamp = properties.timestamp != nil
        layout.timestamp = UInt64(properties.timestamp ?? 0)
        return nil
    }

    /// Lends the layout, complete with the body, for the length of one call.
    func withLayout<Result>(body: [UInt8], _ use: (UnsafePointer<rmq_publication>) -> Result) -> Result {
        bytes.withUnsafeBufferPointer { bytes in
            headers.withUnsafeBufferPointer { headers in
                body.withUnsafeBufferPointer { body in
                    var complete = layout
                    complete.bytes = bytes.baseAddress
                    complete.headers = headers.baseAddress
                    complete.header_count = headers.count
                    complete.body = body.baseAddress
                    complete.body_length = body.count
                    return use(&complete)
                }
            }
        }
    }

    private mutating func append(_ text: String) -> rmq_span {
        let offset = bytes.count
        bytes.append(contentsOf: text.utf8)
        // Longer than 4 GiB cannot be: the frame limit has refused it before it is used.
        return rmq_span(offset: UInt32(truncatingIfNeeded: offset), length: UInt32(clamping: bytes.count - offset))
    }
}
