import Open311

/// Every tenant, catalogue and key at one moment. Immutable, in memory: finding the tenant of a request never waits. A class, for
/// each request takes it several times.
public final class DirectorySnapshot: Sendable {
    /// Sorted by key.
    public let tenants: [Tenant]
    private let byKey: [TenantKey: Int]
    private let byJurisdiction: [JurisdictionID: Int]
    private let byID: [TenantID: Int]
    private let catalogues: [TenantID: Catalogue]
    private let revisions: [TenantID: UInt64]
    /// One more with each reading of the directory.
    public let generation: UInt64
    private let accessKeys: [String: AccessKey]

    public static let empty = DirectorySnapshot(tenants: [], catalogues: [:], accessKeys: [], previous: nil)

    init(tenants: [Tenant], catalogues: [TenantID: Catalogue], accessKeys: [AccessKey], previous: DirectorySnapshot?) {
        self.tenants = tenants
        self.catalogues = catalogues
        generation = (previous?.generation ?? 0) + 1
        revisions = Dictionary(
            uniqueKeysWithValues: catalogues.map { tenant, catalogue in
                let last = previous?.revisions[tenant] ?? 0
                return (tenant, previous?.catalogues[tenant] == catalogue ? last : last + 1)
            })
        byKey = Dictionary(tenants.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
        byID = Dictionary(tenants.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        byJurisdiction = Dictionary(
            tenants.enumerated().flatMap { position, tenant in tenant.jurisdictions.map { ($0, position) } },
            uniquingKeysWith: { first, _ in first })
        self.accessKeys = Dictionary(accessKeys.map { ($0.publicID, $0) }, uniquingKeysWith: { first, _ in first })
    }

    public func tenant(_ key: TenantKey) -> Tenant? { byKey[key].map { tenants[$0] } }
    public func tenant(_ jurisdiction: JurisdictionID) -> Tenant? { byJurisdiction[jurisdiction].map { tenants[$0] } }
    public func tenant(_ id: TenantID) -> Tenant? { byID[id].map { tenants[$0] } }

    /// The active services of a tenant; empty for a tenant without any.
    public func catalogue(of tenant: TenantID) -> Catalogue {
        catalogues[tenant.production] ?? Catalogue(services: [], changedAt: Timestamp(seconds: 0))
    }

    /// Another number when the tenant's catalogue is another: what was made of it before no longer holds.
    public func revision(of tenant: TenantID) -> UInt64 { revisions[tenant.production] ?? 0 }

    /// A key that is not revoked; its expiry is the caller's to check.
    public func accessKey(_ publicID: String, _ kind: AccessSecret.Kind) -> AccessKey? {
        accessKeys[publicID].flatMap { $0.kind == kind ? $0 : nil }
    }
}
