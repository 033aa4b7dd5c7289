import Hummingbird
import Open311
import Storage

/// Discovery and catalogue: what changes seldom.
extension GeoReportGateway {
    func services(_ tenant: Tenant, _ languages: Languages, _ request: Request, _ format: ResponseFormat) -> Response {
        let catalogue = directory.current.catalogue(of: tenant.id)
        let bytes = GeoReportDocuments.services(catalogue, language: languages.wanted, fallback: languages.fallback, format)
        return Self.cacheable(bytes, format, request)
    }

    func definition(
        _ code: String, _ tenant: Tenant, _ languages: Languages, _ request: Request, _ format: ResponseFormat
    ) throws(GeoReportError) -> Response {
        let service = try service(code, of: tenant, languages.wanted)
        let bytes = GeoReportDocuments.definition(service, language: languages.wanted, fallback: languages.fallback, format)
        return Self.cacheable(bytes, format, request)
    }

    func discovery(_ target: GeoReportTarget, _ request: Request, _ format: ResponseFormat) -> Response {
        let snapshot = directory.current
        let wanted = target.tenant.flatMap { try? TenantKey(validating: $0) }.flatMap { snapshot.tenant($0) }
        let tenants = wanted.map { [$0] } ?? snapshot.tenants
        let root = configuration.publicURL.hasSuffix("/open311/v2") ? String(configuration.publicURL.dropLast(11)) : configuration.publicURL
        let endpoints = tenants.map { tenant in
            GeoReportDocuments.Endpoint(
                url: "\(root)/\(tenant.key)/open311/v2", changeset: snapshot.catalogue(of: tenant.id).changedAt, isProduction: true)
        }
        let bytes = GeoReportDocuments.discovery(
            contact: tenants.first?.contact ?? root, keyService: tenants.first?.keyService ?? root, endpoints: endpoints, format)
        return Self.cacheable(bytes, format, request)
    }
}
