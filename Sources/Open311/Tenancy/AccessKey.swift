/// What an app's key opens.
public enum AccessScope: String, Sendable, CaseIterable {
    /// Reading is open to everyone; with this the caller has a limit of its own instead of sharing its address's.
    case read
    /// Posting to the production endpoint.
    case write
    /// Reading who reported a service request. It takes `read` as well.
    case personalData = "personal-data"
    /// Posting to the test endpoint.
    case test

    /// What a key gets when nobody says otherwise.
    public static let standard: Set<AccessScope> = [.read, .write]
}

/// An API key or CRM token as the directory knows it: everything but the secret.
public struct AccessKey: Sendable, Equatable {
    public let publicID: String
    public let kind: AccessSecret.Kind
    public let tenant: TenantID
    /// Of a label, in Unicode scalars: `maxLength` of `received_via` in every published schema.
    public static let maximumLabel = 255

    /// Who uses it, for people and for the event's `received_via`; never the key.
    public let label: String
    /// Of an API key; a CRM token has none.
    public let scopes: Set<AccessScope>
    public let secretHash: [UInt8]
    public let createdAt: Timestamp
    public let expiresAt: Timestamp?
    public let revokedAt: Timestamp?

    public init(
        publicID: String, kind: AccessSecret.Kind, tenant: TenantID, label: String, scopes: Set<AccessScope> = AccessScope.standard,
        secretHash: [UInt8], createdAt: Timestamp, expiresAt: Timestamp?, revokedAt: Timestamp?
    ) {
        self.publicID = publicID
        self.kind = kind
        self.tenant = tenant
        self.label = label
        self.scopes = scopes
        self.secretHash = secretHash
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
    }

    /// Whether it opens anything at `moment`.
    public func isUsable(at moment: Timestamp) -> Bool {
        revokedAt == nil && (expiresAt.map { moment < $0 } ?? true)
    }

    /// Whether answers to its holder may tell who reported.
    public var mayReadPersonalData: Bool { scopes.isSuperset(of: [.read, .personalData]) }
}
