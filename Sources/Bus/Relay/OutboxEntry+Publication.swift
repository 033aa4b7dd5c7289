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
    let type: HeaderValue
    let schemaVersion: HeaderValue

    init(_ entry: OutboxEntry, typePrefix: String) {
        let topology = Topology(tenant: entry.tenantKey)
        exchange = topology.outExchange
        routingKey = entry.routingKey
        replyTo = topology.statusExchange
        source = .string("/open311/\(entry.tenantKey)")
        type = .string("\(typePrefix).\(entry.type)")
        schemaVersion = .string(SchemaVersion.of(entry.type))
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
        var headers: [(String, HeaderValue)] = []
        headers.reserveCapacity(12)
        headers.append(("ce-id", .string(eventID)))
        headers.append(("ce-specversion", Self.specificationVersion))
        headers.append(("ce-type", names.type))
        headers.append(("ce-source", names.source))
        headers.append(("ce-subject", .string(subject ?? "")))
        headers.append(("ce-time", .string(createdAt.iso8601)))
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
                timestamp: createdAt.seconds,
                appID: applicationID,
                replyTo: names.replyTo,
                headers: headers
            ),
            mandatory: true
        )
    }
}
