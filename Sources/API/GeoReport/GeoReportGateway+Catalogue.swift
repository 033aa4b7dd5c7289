import Hummingbird
import Open311
import Storage

/// Discovery and catalogue: what changes seldom.
extension GeoReportGateway {
    func services(_ tenant: Tenant, _ languages: Languages, _ request: Request, _ format: ResponseFormat) -> Response {
        let snapshot = directory.current
        let catalogue = snapshot.catalogue(of: tenant.id)
        let order = languages.order(in: catalogue)
        let answer = catalogueAnswers.answer(.services, of: tenant, in: snapshot, order, format) {
            GeoReportDocuments.services(catalogue, languages: order, format)
        }
        return answer.response(to: request)
    }

    func definition(
        _ code: String, _ tenant: Tenant, _ languages: Languages, _ request: Request, _ format: ResponseFormat
    ) throws(GeoReportError) -> Response {
        let snapshot = directory.current
        let service = try service(code, of: tenant, languages.wanted)
        let order = languages.order(in: snapshot.catalogue(of: tenant.id))
        let answer = catalogueAnswers.answer(.definition(service.code), of: tenant, in: snapshot, order, format) {
            GeoReportDocuments.definition(service, languages: order, format)
        }
        return answer.response(to: request)
    }

    /// Of the tenant that the path names, or of the installation.
    func discovery(_ target: GeoReportTarget, _ request: Request, _ format: ResponseFormat) async throws(GeoReportError) -> Response {
        let tenant: Tenant?
        if target.tenant == nil { tenant = nil } else { tenant = try await self.tenant(of: target, jurisdiction: nil) }
        return discoveryAnswers.answer(for: tenant, in: directory.current, format).response(to: request)
    }
}
