import ArgumentParser
import Foundation
import Open311
import Storage

/// Changes what a tenant has chosen; gateways follow within seconds.
struct TenantPolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Show or change what a tenant has chosen.",
        discussion: "Example: bus311 tenant policy valmont-7f3a9c --boundary valmont.geojson --identifiers tokens")
    @OptionGroup var common: CommonOptions
    @Argument var tenant: String
    @Option(help: "GeoJSON file of the territory: positions outside are refused.") var boundary: String?
    @Flag(help: "Take positions from anywhere again.") var noBoundary = false
    @Option(help: "immediate: apps get the id; tokens: they get a token until the CRM knows the request.") var identifiers: Identifiers?
    @Option(help: "keep or refuse attributes that a service does not declare.") var undeclaredAttributes: Undeclared?
    @Option(help: "true or false: whether messages to the CRM name the reporter.") var personalData: Bool?

    enum Identifiers: String, ExpressibleByArgument { case immediate, tokens }
    enum Undeclared: String, ExpressibleByArgument { case keep, refuse }

    private struct View: Encodable {
        let tenant: String
        let identifiers: String
        let undeclared_attributes: String
        let personal_data: Bool
        let boundary: Bool

        init(_ key: TenantKey, _ policies: TenantPolicies) {
            tenant = key.rawValue
            identifiers = (policies.defersIdentifiers ? Identifiers.tokens : .immediate).rawValue
            undeclared_attributes = (policies.keepsUndeclaredAttributes ? Undeclared.keep : .refuse).rawValue
            personal_data = policies.sendsPersonalData
            boundary = policies.boundary != nil
        }

        var line: String {
            "\(tenant)  identifiers \(identifiers)  undeclared attributes \(undeclared_attributes)  "
                + "personal data \(personal_data)  boundary \(boundary ? "set" : "none")"
        }
    }

    func run() async throws {
        try await common.administer { administration in
            guard boundary == nil || !noBoundary else { throw ValidationError("--boundary and --no-boundary contradict each other.") }
            let tenant = try await administration.tenant(tenant)
            var policies = tenant.policies
            if noBoundary { policies.boundary = nil }
            if let boundary { policies.boundary = try BoundaryJSON.boundary(Array(try Data(contentsOf: URL(fileURLWithPath: boundary)))) }
            if let identifiers { policies.defersIdentifiers = identifiers == .tokens }
            if let undeclaredAttributes { policies.keepsUndeclaredAttributes = undeclaredAttributes == .keep }
            if let personalData { policies.sendsPersonalData = personalData }
            if policies != tenant.policies { _ = try await administration.store.setPolicies(policies, of: tenant.id) }
            let view = View(tenant.key, policies)
            try common.show(text: view.line, json: view)
        }
    }
}
