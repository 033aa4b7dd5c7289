import Open311
import Postgres

/// A tenant to be made.
public struct NewTenant: Sendable {
    public var key: TenantKey
    public var name: String
    /// At least one.
    public var jurisdictions: [JurisdictionID]
    public var language: Language
    public var timeZone: String
    public var virtualHost: String
    public var contact: String
    public var keyService: String
    public var policies: TenantPolicies
    public var fallbackLanguages: [Language]

    public init(
        key: TenantKey, name: String, jurisdictions: [JurisdictionID], language: Language, timeZone: String, virtualHost: String,
        contact: String, keyService: String, policies: TenantPolicies = TenantPolicies(), fallbackLanguages: [Language] = []
    ) {
        self.key = key
        self.name = name
        self.jurisdictions = jurisdictions
        self.language = language
        self.timeZone = timeZone
        self.virtualHost = virtualHost
        self.contact = contact
        self.keyService = keyService
        self.policies = policies
        self.fallbackLanguages = fallbackLanguages
    }

    /// The shard that this key hashes to (FNV-1a): stable over runs and machines, unlike Swift's own hash.
    var shard: Int16 {
        var hash: UInt32 = 2_166_136_261
        for byte in key.rawValue.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return Int16(hash % UInt32(Tenant.shardCount))
    }
}

/// Tenants, catalogues and keys, as an operator changes them.
public final class AdministrationStore: Sendable {
    private let connection: PostgresConnection

    /// - Parameter configuration: of the administration role.
    public init(configuration: PostgresConfiguration) throws { connection = try PostgresConnection(configuration: configuration) }

    public func close() async { await connection.close() }

    func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await connection.run(body) }
    }

    // MARK: Tenants

    /// - Throws: ``StorageError`` `duplicate` when the key or a jurisdiction is taken.
    public func createTenant(_ tenant: NewTenant) async throws(StorageError) -> Tenant {
        let id = try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in try Self.insert(tenant, session) }
        }
        return Tenant(
            id: TenantID(id), key: tenant.key, name: tenant.name, jurisdictions: tenant.jurisdictions, language: tenant.language,
            timeZone: tenant.timeZone, shard: tenant.shard, virtualHost: tenant.virtualHost, contact: tenant.contact,
            keyService: tenant.keyService, policies: tenant.policies,
            fallbackLanguages: tenant.fallbackLanguages)
    }

    /// Inside of a transaction of the caller's.
    ///
    /// - Returns: the new tenant's number.
    static func insert(_ tenant: NewTenant, _ session: Session) throws(PostgresError) -> Int32 {
        let row = try session.execute(
            AdministrationSQL.insertTenant,
            [
                .text(tenant.key.rawValue), .text(tenant.name), .text(tenant.language.rawValue), .text(tenant.timeZone),
                .int16(tenant.shard), .text(tenant.virtualHost), .text(tenant.contact), .text(tenant.keyService),
                .bool(tenant.policies.keepsUndeclaredAttributes), .bool(tenant.policies.sendsPersonalData),
                .texts(tenant.fallbackLanguages.map(\.rawValue)),
            ]
        ).first
        guard let id = try row?.int32(0) else { throw PostgresError(.decoding, detail: "no id came back") }
        try insert(tenant.jurisdictions, of: id, session)
        return id
    }

    static func insert(_ jurisdictions: [JurisdictionID], of id: Int32, _ session: Session) throws(PostgresError) {
        for (position, jurisdiction) in jurisdictions.enumerated() {
            _ = try session.execute(
                AdministrationSQL.insertJurisdiction, [.text(jurisdiction.rawValue), .int32(id), .int16(Int16(clamping: position))])
        }
    }

    /// Every tenant, by key.
    public func tenants() async throws(StorageError) -> [Tenant] {
        try await run { (session) throws(PostgresError) in
            try TenantRow.all(in: session)
        }
    }

    /// Changes where a tenant takes requests and how it answers them; its other policies stay.
    ///
    /// - Parameter who: for the record.
    /// - Returns: whether there is such a tenant.
    public func setPolicies(_ policies: TenantPolicies, of tenant: TenantID, by who: String = "operator") async throws(StorageError) -> Bool
    {
        let boundary = ReferenceStore.step(Self.boundary(policies.boundary, by: who))
        return try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                _ = try session.execute(ReferenceSQL.lock, [.int32(tenant.rawValue)])
                guard try session.execute(AdministrationSQL.setPolicies, Self.parameters(of: policies, tenant)).affected > 0 else {
                    return false
                }
                _ = try session.pipeline([RequestSQL.tenant(tenant), boundary])
                return true
            }
        }
    }

    static func parameters(of policies: TenantPolicies, _ tenant: TenantID) -> [Parameter] {
        [
            .int32(tenant.rawValue), .bool(policies.keepsUndeclaredAttributes), .bool(policies.sendsPersonalData),
            .bool(policies.defersIdentifiers),
        ]
    }

    public func tenant(_ key: TenantKey) async throws(StorageError) -> Tenant? {
        try await tenants().first { $0.key == key }
    }

    /// Removes a tenant with its jurisdictions, catalogue and keys. Its service requests stay for the rolling year.
    ///
    /// - Returns: whether there was one.
    public func deleteTenant(_ key: TenantKey) async throws(StorageError) -> Bool {
        try await run { (session) throws(PostgresError) in
            try session.execute(AdministrationSQL.deleteTenant, [.text(key.rawValue)]).affected > 0
        }
    }

    // MARK: Catalogue

    /// The tenant's active services, in its order.
    public func services(of tenant: TenantID) async throws(StorageError) -> [Service] {
        try await run { (session) throws(PostgresError) in
            try session.execute(AdministrationSQL.services, [.int32(tenant.rawValue)]).map { (row) throws(PostgresError) in
                guard let code = try? ServiceCode(validating: try row.text(1)) else {
                    throw PostgresError(.decoding, detail: "a service_code breaks its rule")
                }
                return try TenantRow.service(row, code, defersIdentifiers: false)
            }
        }
    }

    /// Makes these the tenant's active services, in this order, as a new version of its catalogue; the others are retired, not deleted.
    ///
    /// - Parameter who: for the record.
    public func setCatalogue(_ services: [Service], of tenant: TenantID, by who: String = "operator") async throws(StorageError) {
        let step = ReferenceStore.step(Self.catalogue(services, by: who))
        try await run { (session) throws(PostgresError) in _ = try session.pipeline([RequestSQL.tenant(tenant.production), step]) }
    }

    static func catalogue(_ services: [Service], by who: String) -> NewReference {
        NewReference(kind: .catalogue, body: CatalogueRules.document(services).canonicalBytes, author: who)
    }

    static func boundary(_ boundary: Boundary?, by who: String) -> NewReference {
        NewReference(kind: .boundary, body: boundary.map { BoundaryJSON.bytes($0) } ?? Array("null".utf8), author: who)
    }
}
