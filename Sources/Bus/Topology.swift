import Open311

/// The names of everything one tenant has on the broker. Nothing else in the product spells them.
///
/// The tenant's key is the first word of every routing key, so that one shared dead-letter exchange finds the right dead
/// queue while a message keeps the key it was published with.
public struct Topology: Sendable, Hashable {
    public let tenant: TenantKey

    public init(tenant: TenantKey) { self.tenant = tenant }

    /// Where the relay publishes; a topic exchange.
    public var outExchange: String { "o311.\(tenant).out" }
    /// What the CRM consumes.
    public var requestQueue: String { "o311.\(tenant).requests" }
    /// What the CRM refused, or failed to take too often.
    public var deadQueue: String { "o311.\(tenant).dead" }
    /// Where the CRM publishes statuses; a topic exchange of its own, whose name proves who sent the message.
    public var statusExchange: String { "o311.\(tenant).status" }
    /// What the status consumer takes.
    public var statusQueue: String { "o311.\(tenant).status-in" }
    /// The answers to the CRM's statuses.
    public var receiptsQueue: String { "o311.\(tenant).receipts" }

    /// Every exchange of the tenant.
    public var exchanges: [String] { [outExchange, statusExchange] }
    /// Every queue of the tenant.
    public var queues: [String] { [requestQueue, deadQueue, statusQueue, receiptsQueue] }

    /// The AMQP user of a credential slot.
    public func user(_ slot: CredentialSlot) -> String { "t.\(tenant).\(slot.rawValue)" }

    /// Whose user this is; nil for any other name.
    public static func credential(ofUser user: String) -> (tenant: TenantKey, slot: CredentialSlot)? {
        let words = user.split(separator: ".", omittingEmptySubsequences: false)
        guard words.count == 3, words[0] == "t", let slot = CredentialSlot(rawValue: String(words[2])),
            let tenant = try? TenantKey(validating: String(words[1]))
        else { return nil }
        return (tenant, slot)
    }

    /// Whose object this is, of the tenants' objects that end so: `o311.valmont-7f3a9c.status-in` is valmont-7f3a9c's; nil for any other
    /// name.
    static func owner(of name: String, ending last: String) -> TenantKey? {
        let words = name.split(separator: ".", omittingEmptySubsequences: false)
        guard words.count == 3, words[0] == "o311", words[2] == last else { return nil }
        return try? TenantKey(validating: String(words[1]))
    }

    /// Whose status queue this is; nil for any other name.
    public static func owner(ofStatusQueue name: String) -> TenantKey? { owner(of: name, ending: "status-in") }

    /// The routing key of an event, as in `valmont-7f3a9c.service_request.created`.
    public func routingKey(_ kind: ServiceRequestEvent.Kind) -> String { routingKey(kind.routingSuffix) }

    /// The tenant's routing key that ends in these words, or the pattern when they have wildcards.
    public func routingKey(_ words: String) -> String { "\(tenant).\(words)" }

    /// The routing key a CRM gives its statuses.
    public var statusUpdateKey: String { routingKey("status_update.v1") }
}

/// One of a tenant's two AMQP users: while one is in use, the other is made, handed over and taken up; then the first is deleted.
public enum CredentialSlot: String, Sendable, Hashable, Codable, CaseIterable {
    case a
    case b

    public var other: CredentialSlot { self == .a ? .b : .a }
}

/// What all tenants of a virtual host share.
public enum SharedTopology {
    /// Dead letters of request queues; internal, so that no client publishes to it.
    public static let deadLetterExchange = "o311.dlx"
    /// Dead letters of status queues.
    public static let statusDeadLetterExchange = "o311.dlx.status"
    /// Statuses that could not be read at all; the operators' queue.
    public static let statusDeadQueue = "o311.status.dead"
    /// Where a status with a routing key that leads nowhere goes.
    public static let strayExchange = "o311.stray"
    public static let strayQueue = "o311.stray"
}
