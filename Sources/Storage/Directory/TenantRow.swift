import Open311
import Postgres

/// Reads tenants, services and keys from the rows that several stores select in the same order.
enum TenantRow {
    /// Nil when the row breaks a rule of the domain, which only a hand-made row can.
    static func tenant(_ row: Row, jurisdictions: [TenantID: [JurisdictionID]]) throws(PostgresError) -> Tenant? {
        guard let key = try? TenantKey(validating: try row.text(1)) else { return nil }
        let id = TenantID(try row.int32(0))
        var policies = TenantPolicies(
            keepsUndeclaredAttributes: try row.bool(9), sendsPersonalData: try row.bool(10), defersIdentifiers: try row.bool(14),
            boundary: row.isNull(13) ? nil : try? BoundaryJSON.stored(try row.json(13)),
            photos: PhotoPolicyJSON.policy(try row.json(15)))
        policies.contract = ContractVersions(rawValue: try row.text(16)) ?? .one
        policies.contractSunset = row.optionalTimestamp(17).map { Timestamp(microseconds: $0) }
        policies.lifecycle = LifecyclePolicyRow.policy(mapping: try row.json(19), tokens: row.optionalInt64(20))
        let arrangement = ArrangementJSON.read(try row.json(18))
        return Tenant(
            id: id,
            key: key,
            name: try row.text(2),
            jurisdictions: jurisdictions[id] ?? [],
            language: Language(parsing: try row.text(3)) ?? .english,
            timeZone: try row.text(4),
            shard: try row.int16(5),
            virtualHost: try row.text(6),
            contact: try row.text(7),
            keyService: try row.text(8),
            policies: policies,
            fallbackLanguages: try row.texts(12).compactMap { Language(parsing: $0) },
            limits: arrangement.limits, credentials: arrangement.credentials, service: arrangement.terms
        )
    }

    /// Every tenant, by key.
    static func all(in session: Session) throws(PostgresError) -> [Tenant] {
        let answers = try session.pipeline([(DirectorySQL.tenants, []), (DirectorySQL.jurisdictions, [])])
        var jurisdictions: [TenantID: [JurisdictionID]] = [:]
        for index in 0..<answers[1].count {
            guard let id = try? JurisdictionID(validating: try answers[1][index].text(1)) else { continue }
            jurisdictions[TenantID(try answers[1][index].int32(0)), default: []].append(id)
        }
        var tenants: [Tenant] = []
        for index in 0..<answers[0].count {
            if let tenant = try TenantRow.tenant(answers[0][index], jurisdictions: jurisdictions) { tenants.append(tenant) }
        }
        return tenants
    }

    /// - Parameter defersIdentifiers: the tenant's policy, which makes realtime services batch ones.
    static func service(_ row: Row, _ code: ServiceCode, defersIdentifiers: Bool) throws(PostgresError) -> Service {
        let kind = ServiceKind(rawValue: try row.text(2)) ?? .realtime
        return Service(
            code: code,
            kind: defersIdentifiers && kind == .realtime ? .batch : kind,
            name: CatalogueJSON.text(try row.json(3)),
            summary: CatalogueJSON.text(try row.json(4)),
            group: CatalogueJSON.text(try row.json(5)),
            keywords: try row.texts(6),
            attributes: CatalogueJSON.attributes(try row.json(7))
        )
    }

    static func accessKey(_ row: Row) throws(PostgresError) -> AccessKey {
        AccessKey(
            publicID: try row.text(0),
            kind: AccessSecret.Kind(rawValue: try row.text(1)) ?? .apiKey,
            tenant: TenantID(try row.int32(2)),
            label: try row.text(3),
            scopes: Set(try row.texts(8).compactMap { AccessScope(rawValue: $0) }),
            secretHash: try row.byteString(4),
            createdAt: Timestamp(microseconds: try row.timestamp(5)),
            expiresAt: row.optionalTimestamp(6).map { Timestamp(microseconds: $0) },
            revokedAt: row.optionalTimestamp(7).map { Timestamp(microseconds: $0) }
        )
    }
}
