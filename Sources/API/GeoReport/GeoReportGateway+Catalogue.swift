import Hummingbird
import Open311
import Storage

/// Discovery and catalogue: what changes seldom.
extension GeoReportGateway {
    /// The answer to a GET of these, made before or now; nil for another resource.
    func prepared(
        _ request: Request, _ query: FormFields, _ target: GeoReportTarget, _ format: ResponseFormat, _ trail: RequestTrail
    ) async throws(GeoReportError) -> PreparedAnswer? {
        switch target.resource {
        case .discovery:
            let tenant: Tenant?
            if target.tenant == nil { tenant = nil } else { tenant = try await self.tenant(of: target, jurisdiction: nil) }
            if let tenant { trail.note(tenant) }
            return discoveryAnswers.answer(for: tenant, in: directory.current, format)
        case .services:
            let tenant = try await tenant(of: target, jurisdiction: query["jurisdiction_id"])
            trail.note(tenant)
            return services(tenant, Languages(tenant: tenant, query, request), format)
        case .service(let code):
            let tenant = try await tenant(of: target, jurisdiction: query["jurisdiction_id"])
            trail.note(tenant)
            return try definition(code, tenant, Languages(tenant: tenant, query, request), format)
        default: return nil
        }
    }

    private func services(_ tenant: Tenant, _ languages: Languages, _ format: ResponseFormat) -> PreparedAnswer {
        let snapshot = directory.current
        let catalogue = snapshot.catalogue(of: tenant.id)
        let order = languages.order(in: catalogue)
        return catalogueAnswers.answer(.services, of: tenant, in: snapshot, order, format) {
            GeoReportDocuments.services(catalogue, languages: order, format)
        }
    }

    private func definition(
        _ code: String, _ tenant: Tenant, _ languages: Languages, _ format: ResponseFormat
    ) throws(GeoReportError) -> PreparedAnswer {
        let snapshot = directory.current
        let service = try service(code, of: tenant, languages.wanted)
        let order = languages.order(in: snapshot.catalogue(of: tenant.id))
        return catalogueAnswers.answer(.definition(service.code), of: tenant, in: snapshot, order, format) {
            GeoReportDocuments.definition(service, languages: order, format)
        }
    }
}
