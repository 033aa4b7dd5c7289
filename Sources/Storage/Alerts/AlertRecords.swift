import Open311

/// Who hears of an alert. Whose address that is, is looked up when it is sent.
public enum AlertRecipient: String, Sendable, Hashable, CaseIterable {
    /// Who runs the installation; by its settings.
    case `operator`
    /// Who runs a CRM's connection; by the tenant's contacts.
    case tenantAdministrator = "tenant_administrator"
    /// Who answers for a tenant; by the tenant's contacts.
    case manager
}

/// A text on its way to somebody.
public struct NewAlertDelivery: Sendable {
    public enum Channel: String, Sendable { case email, webhook }

    public var channel: Channel
    public var recipient: AlertRecipient
    public var kind: AlertNotice.Kind
    public var subject: String
    public var body: String
    /// JSON, for a webhook.
    public var payload: [UInt8]?

    public init(
        channel: Channel, recipient: AlertRecipient, kind: AlertNotice.Kind, subject: String, body: String, payload: [UInt8]? = nil
    ) {
        self.channel = channel
        self.recipient = recipient
        self.kind = kind
        self.subject = subject
        self.body = body
        self.payload = payload
    }
}

/// One that was taken to be sent.
public struct AlertDelivery: Sendable {
    public let number: Int64
    public let alert: Int64?
    /// Whose alert it tells; nil for the installation's.
    public let tenant: TenantID?
    public let what: NewAlertDelivery
    /// This one included.
    public let attempts: Int
    public let createdAt: Timestamp
    /// Of the tenant's contact; nil for the installation's own, and when the contact has none any more.
    public let address: EmailAddress?
}

/// A window of announced work that was ended.
public struct EndedMaintenance: Sendable, Equatable {
    /// Nil for the whole installation's.
    public let tenant: TenantID?
}

/// A tenant as the alerts know it.
public struct AlertTenant: Sendable {
    public let id: TenantID
    public let key: TenantKey
    public let name: String
    public let language: Language
    public let timeZone: String
    public let virtualHost: String
    public let terms: ServiceTerms
    /// Whether its contacts have addresses.
    public let hasAdministrator: Bool
    public let hasManager: Bool

    init(
        id: TenantID, key: TenantKey, name: String, language: Language, timeZone: String, virtualHost: String, terms: ServiceTerms,
        hasAdministrator: Bool, hasManager: Bool
    ) {
        self.id = id
        self.key = key
        self.name = name
        self.language = language
        self.timeZone = timeZone
        self.virtualHost = virtualHost
        self.terms = terms
        self.hasAdministrator = hasAdministrator
        self.hasManager = hasManager
    }

    public init(_ tenant: Tenant, contacts: TenantContacts) {
        self.init(
            id: tenant.id, key: tenant.key, name: tenant.name, language: tenant.language, timeZone: tenant.timeZone,
            virtualHost: tenant.virtualHost, terms: tenant.service, hasAdministrator: contacts.technicalAdministrator.email != nil,
            hasManager: contacts.manager.email != nil)
    }
}

/// What the database says at one look.
public struct AlertBoard: Sendable {
    public var open: [AlertEpisode] = []
    public var context: AlertEngine.Context
    public var tenants: [AlertTenant] = []
    public var outboxPending: Int64 = 0
    public var oldestPending: Timestamp?
    public var shardsLed: Set<Int16> = []
    public var failures: [TenantID: (count: Int64, isRefused: Bool)] = [:]
    public var rejections: [TenantID: Int64] = [:]
    public var losses: [TenantID: (incident: Int64, messages: Int64)] = [:]
    public var drifting: Set<TenantID> = []
}
