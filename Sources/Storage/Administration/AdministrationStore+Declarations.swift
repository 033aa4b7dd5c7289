import Open311
import Postgres

/// What to do with the parts of a tenant that stand in files of their own.
public enum DeclaredPart<Value: Sendable>: Sendable {
    /// As it is.
    case keep
    case set(Value)
}

/// Words of a tenant's own for one kind of notice in one language.
public struct DeclaredTemplate: Sendable, Hashable {
    public let kind: NoticeKind
    public let language: Language
    public let template: NoticeTemplate

    public init(kind: NoticeKind, language: Language, template: NoticeTemplate) {
        self.kind = kind
        self.language = language
        self.template = template
    }

    public init(_ stored: StoredNoticeTemplate) {
        self.init(kind: stored.kind, language: stored.language, template: stored.template)
    }
}

/// Tenants as their files declare them.
extension AdministrationStore {
    /// Makes the tenant's record as declared, catalogue and territory included, in one transaction: all of it or nothing.
    ///
    /// - Parameters:
    ///   - key: of the tenant; it is made when there is none.
    ///   - who: for the record of what operators did.
    /// - Throws: ``StorageError`` `duplicate` when a jurisdiction is another tenant's, or the key was one before.
    public func apply(
        _ declared: TenantDeclaration, to key: TenantKey, boundary: DeclaredPart<Boundary?>, catalogue: DeclaredPart<[Service]>,
        notices: DeclaredPart<NoticePolicy> = .keep, templates: DeclaredPart<[DeclaredTemplate]> = .keep, by who: String
    ) async throws(StorageError) -> Tenant {
        let existing = try await tenant(key)
        let chosen = declared.policies
        let arrangement = try ArrangementJSON.bytes(declared.limits, declared.credentials, declared.service)
        var references: [NewReference] = []
        if case .set(let territory) = boundary { references.append(Self.boundary(territory, by: who)) }
        if case .set(let services) = catalogue { references.append(Self.catalogue(services, by: who)) }
        let documents = references.map { ReferenceStore.step($0) }
        try await run { (session) throws(PostgresError) in
            try session.transaction { (session) throws(PostgresError) in
                let id: TenantID
                if let existing { id = existing.id } else { id = TenantID(try Self.insert(Self.newTenant(declared, key), session)) }
                // Before any row of the tenant's is held: whoever publishes takes the two in this order too.
                _ = try session.execute(ReferenceSQL.lock, [.int32(id.rawValue)])
                if let existing, existing.jurisdictions != declared.jurisdictions {
                    _ = try session.execute(DeclarationSQL.clearJurisdictions, [.int32(id.rawValue)])
                    try Self.insert(declared.jurisdictions, of: id.rawValue, session)
                }
                _ = try session.execute(
                    DeclarationSQL.update,
                    [
                        .int32(id.rawValue), .text(declared.name), .text(declared.language.rawValue), .text(declared.timeZone),
                        .text(declared.contact), .text(declared.keyService), .texts(declared.fallbackLanguages.map(\.rawValue)),
                        .json(arrangement),
                    ])
                _ = try session.execute(AdministrationSQL.setPolicies, Self.parameters(of: chosen, id))
                _ = try session.execute(
                    ContractSQL.set,
                    [.int32(id.rawValue), .text(chosen.contract.rawValue), .timestamp(chosen.contractSunset?.microseconds)])
                _ = try session.execute(LifecyclePolicySQL.setTokensWait, Self.tokensWait(chosen.lifecycle.tokenMinutes, id))
                _ = try session.execute(
                    PhotoAdministrationSQL.setPolicy, [.int32(id.rawValue), .json(PhotoPolicyJSON.bytes(chosen.photos))])
                try Self.write(declared.contacts, of: id, session)
                try Self.write(notices, templates, of: id, session)
                if !documents.isEmpty { _ = try session.pipeline([RequestSQL.tenant(id)] + documents) }
                let did = existing == nil ? "tenant made from a file" : "tenant changed from a file"
                _ = try session.execute(ReplaySQL.act, [.text(who), .text(did), .int32(id.rawValue), .text(key.rawValue)])
            }
        }
        guard let tenant = try await tenant(key) else { throw StorageError(.internalFault, detail: "the tenant is gone again") }
        return tenant
    }

    public func contacts(of tenant: TenantID) async throws(StorageError) -> TenantContacts {
        try await run { (session) throws(PostgresError) in
            var contacts = TenantContacts()
            let rows = try session.execute(DeclarationSQL.contacts, [.int32(tenant.rawValue)])
            for index in 0..<rows.count {
                let contact = TenantContact(
                    name: rows[index].optionalText(1), email: rows[index].optionalText(2).flatMap { try? EmailAddress(validating: $0) })
                if try rows[index].text(0) == "manager" { contacts.manager = contact } else { contacts.technicalAdministrator = contact }
            }
            return contacts
        }
    }

    /// When a tenant of this key was closed; nil when there never was one that was.
    public func closingMoment(of key: TenantKey) async throws(StorageError) -> Timestamp? {
        try await run { (session) throws(PostgresError) in
            try session.execute(DeclarationSQL.tombstone, [.text(key.rawValue)]).first?.optionalTimestamp(0).map {
                Timestamp(microseconds: $0)
            }
        }
    }

    private static func newTenant(_ declared: TenantDeclaration, _ key: TenantKey) -> NewTenant {
        NewTenant(
            key: key, name: declared.name, jurisdictions: declared.jurisdictions, language: declared.language, timeZone: declared.timeZone,
            virtualHost: declared.virtualHost, contact: declared.contact, keyService: declared.keyService, policies: declared.policies,
            fallbackLanguages: declared.fallbackLanguages)
    }

    private static func write(
        _ policy: DeclaredPart<NoticePolicy>, _ templates: DeclaredPart<[DeclaredTemplate]>, of id: TenantID, _ session: Session
    ) throws(PostgresError) {
        if case .set(let policy) = policy {
            _ = try session.execute(CitizenNoticeSQL.setPolicy, CitizenNoticeSQL.parameters(of: policy, id))
        }
        guard case .set(let templates) = templates else { return }
        _ = try session.execute(
            CitizenNoticeSQL.keepTemplates,
            [.int32(id.rawValue), .texts(templates.map(\.kind.rawValue)), .texts(templates.map(\.language.rawValue))])
        for one in templates {
            _ = try session.execute(
                CitizenNoticeSQL.setTemplate,
                [
                    .int32(id.rawValue), .text(one.kind.rawValue), .text(one.language.rawValue), .text(one.template.subject),
                    .text(one.template.body),
                ])
        }
    }

    private static func write(_ contacts: TenantContacts, of id: TenantID, _ session: Session) throws(PostgresError) {
        _ = try session.execute(DeclarationSQL.clearContacts, [.int32(id.rawValue)])
        for (role, contact) in [("technical_administrator", contacts.technicalAdministrator), ("manager", contacts.manager)]
        where contact != TenantContact() {
            _ = try session.execute(
                DeclarationSQL.addContact, [.int32(id.rawValue), .text(role), .text(contact.name), .text(contact.email?.rawValue)])
        }
    }
}
