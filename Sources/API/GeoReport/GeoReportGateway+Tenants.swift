import Hummingbird
import Open311
import Storage

extension GeoReportGateway {
    /// The tenant of a path's prefix or a jurisdiction, as the path's endpoint sees it; a contradiction is an error, never a guess.
    func tenant(of target: GeoReportTarget, jurisdiction: String?) async throws(GeoReportError) -> Tenant {
        let tenant = try await tenant(named: target.tenant, jurisdiction: jurisdiction)
        return target.isTest ? tenant.testEndpoint : tenant
    }

    private func tenant(named name: String?, jurisdiction: String?) async throws(GeoReportError) -> Tenant {
        if let name {
            let key = try? TenantKey(validating: name)
            guard let tenant = await lookUp({ snapshot in key.flatMap { snapshot.tenant($0) } }) else {
                throw GeoReportError(404, "Unknown tenant in the path: check the endpoint's URL.")
            }
            if let jurisdiction, !tenant.jurisdictions.contains(where: { $0.rawValue == jurisdiction.lowercased() }) {
                throw GeoReportError(404, "jurisdiction_id is not one of this endpoint: leave it out or correct it.")
            }
            return tenant
        }
        guard let jurisdiction else {
            let tenants = directory.current.tenants
            if tenants.count == 1, tenants[0].jurisdictions.count == 1 { return tenants[0] }
            throw GeoReportError(400, "jurisdiction_id is required: this endpoint serves several jurisdictions.")
        }
        let id = try? JurisdictionID(validating: jurisdiction)
        guard let tenant = await lookUp({ snapshot in id.flatMap { snapshot.tenant($0) } }) else {
            throw GeoReportError(404, "jurisdiction_id is unknown here: see the discovery document.")
        }
        return tenant
    }

    /// Whose request this is as far as can be told without waiting and without a proof: good for narrower limits, for nothing else.
    func likelyTenant(_ request: Request, _ fields: FormFields, _ target: GeoReportTarget) -> Tenant? {
        let snapshot = directory.current
        if let name = target.tenant { return (try? TenantKey(validating: name)).flatMap { snapshot.tenant($0) } }
        if let jurisdiction = fields["jurisdiction_id"] {
            return (try? JurisdictionID(validating: jurisdiction)).flatMap { snapshot.tenant($0) }
        }
        if let text = presentedKey(request, fields), let secret = AccessSecret(presented: text, kind: .apiKey) {
            return snapshot.accessKey(secret.publicID, .apiKey).flatMap { snapshot.tenant($0.tenant) }
        }
        return nil
    }

    /// What is not known may just have been made: one fresh look before saying no.
    func lookUp<Value>(_ find: (DirectorySnapshot) -> Value?) async -> Value? {
        if let value = find(directory.current) { return value }
        return find(await directory.refreshAfterMiss())
    }

    func service(_ code: String, of tenant: Tenant, _ language: Language) throws(GeoReportError) -> Service {
        guard let valid = try? ServiceCode(validating: code), let service = directory.current.catalogue(of: tenant.id).service(valid) else {
            let shown = String(code.prefix(64))
            throw GeoReportError(
                404, language, french: "service_code « \(shown) » est inconnu : voyez la liste des services.",
                english: "service_code “\(shown)” is unknown: see the list of services.")
        }
        return service
    }
}
