/// The answer to a lifecycle update that came over AMQP: what the CRM would have been told by REST, as an event for its receipts
/// queue. It repeats nothing of what the CRM said but the two ids.
public struct StatusReceipt: Sendable, Equatable {
    /// Short type with version, as in the message's `type` property.
    public enum Kind: String, Sendable, CaseIterable {
        case accepted = "status_update.accepted.v1"
        case rejected = "status_update.rejected.v1"

        /// The last two words of the routing key, after the tenant's.
        public var routingSuffix: String {
            switch self {
            case .accepted: "status_update.accepted"
            case .rejected: "status_update.rejected"
            }
        }
    }

    public enum Verdict: Sendable {
        /// - Parameter outcome: `applied`, `repeated` or `superseded`.
        case accepted(outcome: String, status: DetailedStatus, updatedAt: Timestamp)
        case rejected(StatusUpdateFault)
    }

    public let id: EventID
    public let kind: Kind
    /// Of the message that it answers, as the receipt's `correlation_id`; nil for one without an id, or with one that cannot be carried.
    public let messageID: String?
    /// CloudEvents JSON, UTF-8.
    public let body: [UInt8]

    /// From the database: the same receipt, to be sent again.
    public init(id: EventID, kind: Kind, messageID: String?, body: [UInt8]) {
        self.id = id
        self.kind = kind
        self.messageID = messageID
        self.body = body
    }

    /// - Parameters:
    ///   - messageID: 1 to 128 characters, or nil.
    ///   - correlationID: what the sender can match it by, where the message's id is none that an update can have; the body does not
    ///     name it.
    ///   - id: under which an accepted update is kept; nil makes a new one.
    ///   - requestID: that the message names, when it can be read.
    public init(
        _ verdict: Verdict, to messageID: String?, matchedBy correlationID: String? = nil, about requestID: ServiceRequestID?,
        tenant: TenantKey,
        origin: ServiceRequestEvent.Origin,
        id: EventID? = nil
    ) {
        let now = Timestamp.now
        let id = id ?? EventID(at: now)
        self.id = id
        self.messageID = messageID ?? correlationID
        kind = if case .accepted = verdict { .accepted } else { .rejected }
        var writer = JSONWriter(capacity: 1_024)
        writer.beginObject()
        writer.envelope(id: id, type: kind.rawValue, name: kind.routingSuffix, tenant: tenant, time: now, origin: origin)
        if let messageID {
            writer.name("subject")
            writer.value(messageID)
        }
        writer.name("data")
        writer.beginObject()
        writer.name("tenant")
        writer.value(tenant.rawValue)
        writer.name("update_id")
        writer.value(messageID)
        writer.name("service_request_id")
        writer.value(requestID?.description)
        switch verdict {
        case .accepted(let outcome, let status, let updatedAt):
            writer.name("outcome")
            writer.value(outcome)
            writer.name("status")
            writer.value(status.publicStatus.rawValue)
            writer.name("detailed_status")
            writer.value(status.description)
            writer.name("updated_datetime")
            writer.value(updatedAt)
        case .rejected(let fault): writer.fault(fault)
        }
        writer.endObject()
        writer.endObject()
        body = writer.bytes
    }
}

extension JSONWriter {
    fileprivate mutating func fault(_ fault: StatusUpdateFault) {
        name("reason")
        value(fault.code)
        name("title")
        value(fault.title)
        name("detail")
        value(fault.detail)
        name("errors")
        faults(fault.members)
    }
}
