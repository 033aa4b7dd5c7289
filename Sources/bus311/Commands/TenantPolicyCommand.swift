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
    @Option(help: "1, 2 or both: the versions of the contract that messages are written in. 2 is a preview.") var contract: Contract?
    @Option(help: "With --contract both: when version 1 ends, as in 2027-11-25. Twelve months from now unless given.") var sunset: String?

    enum Identifiers: String, ExpressibleByArgument { case immediate, tokens }
    enum Undeclared: String, ExpressibleByArgument { case keep, refuse }

    enum Contract: String, ExpressibleByArgument {
        case one = "1"
        case two = "2"
        case both

        var versions: ContractVersions {
            switch self {
            case .one: .one
            case .two: .two
            case .both: .both
            }
        }
    }

    private struct View: Encodable {
        let tenant: String
        let identifiers: String
        let undeclared_attributes: String
        let personal_data: Bool
        let boundary: Bool
        let contract: String
        let contract_sunset: String?

        init(_ key: TenantKey, _ policies: TenantPolicies) {
            tenant = key.rawValue
            identifiers = (policies.defersIdentifiers ? Identifiers.tokens : .immediate).rawValue
            undeclared_attributes = (policies.keepsUndeclaredAttributes ? Undeclared.keep : .refuse).rawValue
            personal_data = policies.sendsPersonalData
            boundary = policies.boundary != nil
            contract = policies.contract.rawValue
            contract_sunset = policies.contractSunset?.iso8601
        }

        var line: String {
            "\(tenant)  identifiers \(identifiers)  undeclared attributes \(undeclared_attributes)  "
                + "personal data \(personal_data)  boundary \(boundary ? "set" : "none")  "
                + "contract \(contract)\(contract_sunset.map { ", version 1 until \($0)" } ?? "")"
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
            if let contract { policies.contract = contract.versions }
            policies.contractSunset = try sunset(policies)
            if policies != tenant.policies {
                _ = try await administration.store.setPolicies(policies, of: tenant.id, by: Operator.name)
                try await administration.store.setContract(policies.contract, sunset: policies.contractSunset, of: tenant.id)
            }
            let view = View(tenant.key, policies)
            try common.show(text: view.line, json: view)
        }
    }

    /// When version 1 ends: what is given, what was said before, or a year from now; nil unless both versions are sent.
    private func sunset(_ policies: TenantPolicies) throws -> Timestamp? {
        guard policies.contract == .both else {
            guard sunset == nil else { throw ValidationError("--sunset goes with --contract both.") }
            return nil
        }
        guard let sunset else { return policies.contractSunset ?? Timestamp.now.adding(seconds: 365 * 86_400) }
        guard let moment = Timestamp(parsing: sunset.count == 10 ? sunset + "T00:00:00Z" : sunset), moment > .now else {
            throw ValidationError("--sunset \(sunset) is no date to come, as in 2027-11-25.")
        }
        return moment
    }
}
