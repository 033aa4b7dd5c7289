/// How much of the bus one tenant may take.
public struct TenantLimits: Sendable, Hashable {
    /// Of a queue; what is nil is as long as every tenant's.
    public struct QueueLength: Sendable, Hashable {
        public var messages: Int?
        public var bytes: Int?

        public init(messages: Int? = nil, bytes: Int? = nil) {
            self.messages = messages
            self.bytes = bytes
        }

        public var isStandard: Bool { messages == nil && bytes == nil }
    }

    public var requestQueue = QueueLength()
    public var deadQueue = QueueLength()
    public var statusQueue = QueueLength()
    /// AMQP connections of each of its users at a time.
    public var connections = 5
    /// AMQP channels of each of its users at a time, over all connections.
    public var channels = 25
    /// Requests of all its API keys together; nil leaves each key its own limit only.
    public var requestsPerMinute: Int?

    public init() {}
}

/// What a tenant's CRM connects to the broker with.
public struct TenantCredentials: Sendable, Hashable {
    /// How many of the two slots are in use when nothing is being rotated.
    public var slots = 1
    /// Whether the CRM may consume its own dead letters.
    public var readsDeadLetters = false

    public init() {}
}

/// A person who answers for a tenant.
public struct TenantContact: Sendable, Hashable {
    public var name: String?
    public var email: EmailAddress?

    public init(name: String? = nil, email: EmailAddress? = nil) {
        self.name = name
        self.email = email
    }
}

/// Whom the operator turns to. Never shown to citizens.
public struct TenantContacts: Sendable, Hashable {
    public var technicalAdministrator = TenantContact()
    public var manager = TenantContact()

    public init() {}
}

/// Everything an operator decides about a tenant, but for its key, its catalogue and its territory.
public struct TenantDeclaration: Sendable, Equatable {
    public var name = ""
    /// At least one.
    public var jurisdictions: [JurisdictionID] = []
    public var language = Language.french
    public var fallbackLanguages: [Language] = []
    /// IANA name.
    public var timeZone = "Europe/Paris"
    /// Cannot be changed once the tenant is there.
    public var virtualHost = "open311"
    public var contact = "-"
    public var keyService = "-"
    public var contacts = TenantContacts()
    public var limits = TenantLimits()
    public var credentials = TenantCredentials()
    /// Its calendar, and what is agreed about time.
    public var service = ServiceTerms()
    /// Its boundary is nil here: a territory is too large for a declaration.
    public var policies = TenantPolicies()

    public init() {}

    /// What is stored of a tenant.
    public init(_ tenant: Tenant, contacts: TenantContacts) {
        name = tenant.name
        jurisdictions = tenant.jurisdictions
        language = tenant.language
        fallbackLanguages = tenant.fallbackLanguages
        timeZone = tenant.timeZone
        virtualHost = tenant.virtualHost
        contact = tenant.contact
        keyService = tenant.keyService
        self.contacts = contacts
        limits = tenant.limits
        credentials = tenant.credentials
        service = tenant.service
        policies = tenant.policies
        policies.boundary = nil
    }
}
