/// What an operator sends to a CRM beside service requests.
public struct OperatorNotice: Sendable {
    /// Short type with version, as in the message's `type` property.
    public enum Kind: String, Sendable, CaseIterable {
        /// Proves the way to the CRM; acknowledging it is the whole answer.
        case ping = "bus.ping.v1"
        /// Asks the CRM to send its reference data anew.
        case refreshRequested = "reference_data.refresh_requested.v1"

        /// The last two words of the routing key, after the tenant's.
        public var routingSuffix: String {
            switch self {
            case .ping: "bus.ping"
            case .refreshRequested: "reference_data.refresh_requested"
            }
        }
    }

    /// Reference data that a CRM keeps.
    public enum ReferenceData: String, Sendable, CaseIterable {
        case services
        case pointsOfInterest = "points_of_interest"
    }

    public let id: EventID
    public let kind: Kind
    /// CloudEvents JSON, UTF-8.
    public let body: [UInt8]

    public static func ping(_ tenant: TenantKey, origin: ServiceRequestEvent.Origin) -> OperatorNotice {
        OperatorNotice(.ping, tenant, origin) { writer, id in
            writer.name("nonce")
            writer.value(id.description)
        }
    }

    /// - Parameters:
    ///   - what: at least one.
    ///   - reason: for people; up to 1,000 characters.
    public static func refresh(
        _ what: [ReferenceData], because reason: String?, of tenant: TenantKey, origin: ServiceRequestEvent.Origin
    ) -> OperatorNotice {
        OperatorNotice(.refreshRequested, tenant, origin) { writer, _ in
            writer.name("what")
            writer.beginArray()
            for kind in what { writer.value(kind.rawValue) }
            writer.endArray()
            writer.name("reason")
            writer.value(reason)
        }
    }

    private init(
        _ kind: Kind, _ tenant: TenantKey, _ origin: ServiceRequestEvent.Origin, _ data: (inout JSONWriter, EventID) -> Void
    ) {
        let now = Timestamp.now
        id = EventID(at: now)
        self.kind = kind
        var writer = JSONWriter(capacity: 768)
        writer.beginObject()
        writer.envelope(id: id, type: kind.rawValue, name: kind.routingSuffix, tenant: tenant, time: now, origin: origin)
        writer.name("data")
        writer.beginObject()
        writer.name("tenant")
        writer.value(tenant.rawValue)
        data(&writer, id)
        writer.endObject()
        writer.endObject()
        body = writer.bytes
    }
}
