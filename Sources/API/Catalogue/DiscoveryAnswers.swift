import NIOConcurrencyHelpers
import Open311
import Storage

/// The discovery documents of the newest snapshot: the installation's, which lists every tenant, and each tenant's own.
final class DiscoveryAnswers: Sendable {
    private struct Key: Hashable {
        let tenant: TenantID?
        let format: ResponseFormat
    }

    private let configuration: GatewayConfiguration
    private let kept = NIOLockedValueBox<(generation: UInt64, answers: [Key: PreparedAnswer])>((0, [:]))

    init(_ configuration: GatewayConfiguration) { self.configuration = configuration }

    /// - Parameter tenant: nil for the installation.
    func answer(for tenant: Tenant?, in snapshot: DirectorySnapshot, _ format: ResponseFormat) -> PreparedAnswer {
        let key = Key(tenant: tenant?.id.production, format: format)
        let found = kept.withLockedValue { $0.generation == snapshot.generation ? $0.answers[key] : nil }
        if let found { return found }
        let answer = made(tenant, snapshot, format)
        kept.withLockedValue { kept in
            if kept.generation != snapshot.generation { kept = (snapshot.generation, [:]) }
            kept.answers[key] = answer
        }
        return answer
    }

    private func made(_ tenant: Tenant?, _ snapshot: DirectorySnapshot, _ format: ResponseFormat) -> PreparedAnswer {
        let endpoints = (tenant.map { [$0] } ?? snapshot.tenants).flatMap { tenant in
            let changeset = snapshot.catalogue(of: tenant.id).changedAt
            return [
                GeoReportDocuments.Endpoint(
                    url: "\(configuration.rootURL)/\(tenant.key)/open311/v2",
                    changeset: changeset,
                    isProduction: true
                ),
                GeoReportDocuments.Endpoint(
                    url: "\(configuration.rootURL)/\(tenant.key)/test/open311/v2",
                    changeset: changeset,
                    isProduction: false
                ),
            ]
        }
        // A lone tenant speaks for the installation that says nothing of its own.
        let spokesman = tenant ?? (snapshot.tenants.count == 1 ? snapshot.tenants.first : nil)
        let bytes = GeoReportDocuments.discovery(
            contact: (tenant == nil ? configuration.contact : nil) ?? spokesman?.contact ?? "See the discovery document of each city.",
            keyService: (tenant == nil ? configuration.keyService : nil) ?? spokesman?.keyService
                ?? "Each city gives its own keys: see key_service in its discovery document.",
            endpoints: endpoints,
            format
        )
        let changed = endpoints.map(\.changeset).max() ?? Timestamp(seconds: 0)
        return PreparedAnswer(bytes, contentType: format.contentType, lastModified: changed, language: nil)
    }
}
