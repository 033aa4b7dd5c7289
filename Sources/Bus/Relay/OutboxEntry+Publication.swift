import AMQP
import Open311
import Storage

extension OutboxEntry {
    /// The message as vendors know it (docs/contract): the body as it was stored, its key attributes repeated outside.
    func publication(applicationID: String, typePrefix: String) -> Publication {
        let topology = Topology(tenant: tenantKey)
        let shortType = type
        return Publication(
            tag: seq,
            exchange: topology.outExchange,
            routingKey: routingKey,
            body: body,
            properties: MessageProperties(
                messageID: eventID.description,
                correlationID: correlationID ?? requestID?.description,
                type: shortType,
                contentType: "application/cloudevents+json; charset=utf-8",
                timestamp: createdAt.seconds,
                appID: applicationID,
                replyTo: topology.statusExchange,
                headers: headers(typePrefix)
            ),
            mandatory: true
        )
    }

    private func headers(_ typePrefix: String) -> [(String, HeaderValue)] {
        var headers: [(String, HeaderValue)] = [
            ("ce-id", .string(eventID.description)),
            ("ce-specversion", .string("1.0")),
            ("ce-type", .string("\(typePrefix).\(type)")),
            ("ce-source", .string("/open311/\(tenantKey)")),
            ("ce-subject", .string(correlationID ?? requestID?.description ?? "")),
            ("ce-time", .string(createdAt.iso8601)),
            ("ce-sequence", .string(String(requestSequence))),
            ("x-o311-schema", .string(SchemaVersion.of(type))),
            ("x-o311-attempt", .integer(Int64(attempts) + 1)),
        ]
        if let sunset { headers.append(("x-o311-sunset", .string(sunset.iso8601))) }
        if let replay { headers.append(("x-o311-replay", .integer(replay))) }
        return headers
    }
}
