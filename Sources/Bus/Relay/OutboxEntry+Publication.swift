import AMQP
import Open311
import Storage

/// What all events of one tenant and type have in common on the wire; made once, not for each message.
struct PublicationNames: Sendable {
    struct Key: Hashable, Sendable {
        let tenant: TenantID
        let type: String

        init(_ entry: OutboxEntry) {
            tenant = entry.tenant
            type = entry.type
        }
    }

    let exchange: String
    let routingKey: String
    let replyTo: String
    let source: HeaderValue
    /// Where `source` ends in a body, by the envelope's fixed beginning.
    private let sourceEnd: Int
    /// What stands between `source` and `time`.
    private let beforeTime: [UInt8]
    let type: HeaderValue
    let schemaVersion: HeaderValue

    init(_ entry: OutboxEntry, typePrefix: String) {
        let topology = Topology(tenant: entry.tenantKey)
        exchange = topology.outExchange
        routingKey = entry.routingKey
        replyTo = topology.statusExchange
        let source = "/open311/\(entry.tenantKey)"
        self.source = .string(source)
        sourceEnd = Self.beforeSource + source.utf8.count
        type = .string("\(typePrefix).\(entry.type)")
        beforeTime = Array("\",\"type\":\"\(typePrefix).\(entry.type)\",\"time\":\"".utf8)
        schemaVersion = .string(SchemaVersion.of(entry.type))
    }

    private static let beforeSource = #"{"specversion":"1.0","id":"00000000-0000-0000-0000-000000000000","source":""#.utf8.count
    private static let quote = UInt8(ascii: "\"")

    /// What the body says: behind a restore an epoch follows the tenant's key there.
    func source(of body: [UInt8]) -> HeaderValue {
        let end = sourceEnd(in: body)
        return end == sourceEnd ? source : .string(String(decoding: body[Self.beforeSource..<end], as: UTF8.self))
    }

    /// The event's moment as the body says it, with the seconds that it is since 1970: a row may be written a little later than the
    /// event that it holds. Nil for a body of another form.
    func time(of body: [UInt8]) -> (text: String, seconds: Int64)? {
        let start = sourceEnd(in: body) + beforeTime.count
        let end = start + Self.timeLength
        guard body.count > end, body[end] == Self.quote, body[(start - beforeTime.count)..<start].elementsEqual(beforeTime) else {
            return nil
        }
        let text = String(decoding: body[start..<end], as: UTF8.self)
        return Timestamp(parsing: text).map { (text, $0.seconds) }
    }

    private static let timeLength = "2026-11-24T08:00:00Z".utf8.count

    private func sourceEnd(in body: [UInt8]) -> Int {
        guard body.count > sourceEnd + 8, body[sourceEnd] == UInt8(ascii: "-"),
            let end = body[sourceEnd..<sourceEnd + 8].firstIndex(of: Self.quote), Self.beforeSource < end
        else { return sourceEnd }
        return end
    }
}

extension OutboxEntry {
    private static let specificationVersion = HeaderValue.string("1.0")

    /// The message as vendors know it (docs/contract): the body as it was stored, its key attributes repeated outside.
    ///
    /// - Parameter names: of this entry's tenant and type.
    func publication(_ names: PublicationNames, applicationID: String) -> Publication {
        let eventID = eventID.description
        let subject = correlationID ?? requestID?.description
        let time = names.time(of: body) ?? (createdAt.iso8601, createdAt.seconds)
        var headers: [(String, HeaderValue)] = []
        headers.reserveCapacity(12)
        headers.append(("ce-id", .string(eventID)))
        headers.append(("ce-specversion", Self.specificationVersion))
        headers.append(("ce-type", names.type))
        headers.append(("ce-source", names.source(of: body)))
        // A receipt is matched by whatever id the message had; its body names only one that an update can have.
        let isNamed = correlationID.map(StatusUpdateForm.isUpdateID) ?? true
        headers.append(("ce-subject", .string(isNamed ? subject ?? "" : "")))
        headers.append(("ce-time", .string(time.text)))
        headers.append(("ce-sequence", .string(String(requestSequence))))
        headers.append(("x-o311-schema", names.schemaVersion))
        headers.append(("x-o311-attempt", .integer(Int64(attempts) + 1)))
        if let trace { headers.append(("traceparent", .string(trace.description))) }
        if let sunset { headers.append(("x-o311-sunset", .string(sunset.iso8601))) }
        if let replay { headers.append(("x-o311-replay", .integer(replay))) }
        return Publication(
            tag: seq,
            exchange: names.exchange,
            routingKey: names.routingKey,
            body: body,
            properties: MessageProperties(
                messageID: eventID,
                correlationID: subject,
                type: type,
                contentType: "application/cloudevents+json; charset=utf-8",
                timestamp: time.seconds,
                appID: applicationID,
                replyTo: names.replyTo,
                headers: headers
            ),
            mandatory: true
        )
    }
}
