/// A tenant's number inside the database; never shown outside.
public struct TenantID: Sendable, Hashable, Comparable {
    public let rawValue: Int32
    public init(_ rawValue: Int32) { self.rawValue = rawValue }
    public static func < (left: TenantID, right: TenantID) -> Bool { left.rawValue < right.rawValue }

    /// The number under which the tenant's test endpoint keeps its service requests: the negative of its own. Whatever seals
    /// one tenant from another seals test from production.
    public var test: TenantID { TenantID(-abs(rawValue)) }
    public var isTest: Bool { rawValue < 0 }
    /// The tenant itself, whichever endpoint was asked.
    public var production: TenantID { TenantID(abs(rawValue)) }
}

/// One CRM application of one or more jurisdictions, sealed off from every other.
public struct Tenant: Sendable, Equatable {
    public private(set) var id: TenantID
    public let key: TenantKey
    /// The city's name, for people.
    public var name: String
    /// At least one; the first is the principal.
    public var jurisdictions: [JurisdictionID]
    /// The language of answers when the caller asks for none.
    public var language: Language
    /// Where a text is looked for that is missing in the wanted language and in the tenant's own.
    public var fallbackLanguages: [Language]
    /// IANA name, as in `Europe/Paris`.
    public var timeZone: String
    /// Which relay leader publishes this tenant's events: 0 to 7.
    public var shard: Int16
    /// The broker's virtual host that holds this tenant's exchanges and queues.
    public var virtualHost: String
    /// How to reach the operator of this endpoint, for people (discovery's `contact`).
    public var contact: String
    /// How to get an API key, for people (discovery's `key_service`).
    public var keyService: String
    public var policies: TenantPolicies
    public var limits: TenantLimits
    public var credentials: TenantCredentials
    public var service: ServiceTerms

    public init(
        id: TenantID, key: TenantKey, name: String, jurisdictions: [JurisdictionID], language: Language, timeZone: String,
        shard: Int16, virtualHost: String, contact: String, keyService: String, policies: TenantPolicies,
        fallbackLanguages: [Language] = [], limits: TenantLimits = TenantLimits(), credentials: TenantCredentials = TenantCredentials(),
        service: ServiceTerms = ServiceTerms()
    ) {
        self.id = id
        self.key = key
        self.name = name
        self.jurisdictions = jurisdictions
        self.language = language
        self.timeZone = timeZone
        self.shard = shard
        self.virtualHost = virtualHost
        self.contact = contact
        self.keyService = keyService
        self.policies = policies
        self.fallbackLanguages = fallbackLanguages
        self.limits = limits
        self.credentials = credentials
        self.service = service
    }

    /// The tenant's languages, its own first: each text of its catalogue should exist in all of them.
    public var languages: [Language] { [language] + fallbackLanguages.filter { $0 != language } }

    /// The same tenant as its test endpoint sees it: same catalogue and policies, service requests apart.
    public var testEndpoint: Tenant {
        var copy = self
        copy.id = id.test
        return copy
    }

    /// How many relay leaders share the tenants. Stored with every outbox row, so changing it is a data migration.
    public static let shardCount: Int16 = 8
}

/// What a tenant has chosen.
public struct TenantPolicies: Sendable, Equatable {
    /// Whether attributes that the service does not declare are kept (FixMyStreet sends some) or refused.
    public var keepsUndeclaredAttributes: Bool
    /// Whether events carry the reporter's personal data, or only say that there is some.
    public var sendsPersonalData: Bool
    /// Whether apps get a token, and the id only once the CRM knows the request: then every realtime service is a batch one.
    public var defersIdentifiers: Bool
    /// Positions outside of it are refused; nil takes requests from anywhere.
    public var boundary: Boundary?
    public var photos: PhotoPolicy
    /// In which major versions of the contract messages are sent.
    public var contract = ContractVersions.one
    /// While the contract is sent in both versions: when the first is to end.
    public var contractSunset: Timestamp?
    public var lifecycle = LifecyclePolicy()

    public init(
        keepsUndeclaredAttributes: Bool = true, sendsPersonalData: Bool = true, defersIdentifiers: Bool = false, boundary: Boundary? = nil,
        photos: PhotoPolicy = PhotoPolicy()
    ) {
        self.keepsUndeclaredAttributes = keepsUndeclaredAttributes
        self.sendsPersonalData = sendsPersonalData
        self.defersIdentifiers = defersIdentifiers
        self.boundary = boundary
        self.photos = photos
    }
}
