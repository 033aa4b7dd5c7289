import ArgumentParser
import Foundation
import Open311
import Storage

/// Shows or changes how a tenant's statuses come back; status-ingest follows within seconds.
struct TenantStatuses: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "statuses", abstract: "Show or change what the codes of a tenant's CRM mean, and how long tokens wait for it.",
        discussion: """
            A mapping is a JSON list: [{"code": "EC", "status": "IN_PROCESS", "status_notes": "Une équipe est en route"}].
            Example: bus311 tenant statuses valmont-7f3a9c --mapping codes.json --tokens-wait 1440
            How long the CRM may take to acknowledge is delays.acknowledge_hours of tenant.yaml: bus311 tenant apply --help
            """)
    @OptionGroup var common: CommonOptions
    @Argument var tenant: String
    @Option(help: "JSON file: the mapping from now on, in place of the one before.") var mapping: String?
    @Option(help: "Minutes after which a token is answered our own id; 0: only the CRM resolves it.") var tokensWait: Int?

    private struct View: Encodable {
        struct Code: Encodable {
            let code: String
            let status: String
            let status_notes: String?
        }

        let tenant: String
        let codes: [Code]
        let tokens_wait_minutes: Int?
        let acknowledge_within_open_hours: Int

        init(_ tenant: Tenant, _ policy: LifecyclePolicy) {
            self.tenant = tenant.key.rawValue
            codes = policy.mapping.entries.map { Code(code: $0.code, status: $0.status.description, status_notes: $0.statusNotes) }
            tokens_wait_minutes = policy.tokenMinutes
            acknowledge_within_open_hours = tenant.service.acknowledgeWithinHours
        }

        var text: String {
            let limits =
                "\(tenant)  acknowledged within \(acknowledge_within_open_hours) open hours  "
                + "tokens wait \(tokens_wait_minutes.map { "\($0) min" } ?? "for the CRM")  codes \(codes.count)"
            return ([limits] + codes.map { "  \($0.code) -> \($0.status)" }).joined(separator: "\n")
        }
    }

    func run() async throws {
        try await common.administer { administration in
            let tenant = try await administration.tenant(tenant)
            var policy = tenant.policies.lifecycle
            if let tokensWait, tokensWait != 0, !LifecyclePolicy.tokenRange.contains(tokensWait) {
                throw ValidationError("--tokens-wait takes minutes from 0 to \(LifecyclePolicy.tokenRange.upperBound), a year.")
            }
            if let mapping { policy.mapping = try Self.mapping(at: mapping) }
            if let tokensWait { policy.tokenMinutes = tokensWait == 0 ? nil : tokensWait }
            if policy.mapping != tenant.policies.lifecycle.mapping {
                try await administration.store.setStatusMapping(policy.mapping, of: tenant.id, by: Operator.name)
            }
            if policy.tokenMinutes != tenant.policies.lifecycle.tokenMinutes {
                try await administration.store.setTokensWait(policy.tokenMinutes, of: tenant.id)
            }
            let view = View(tenant, policy)
            try common.show(text: view.text, json: view)
        }
    }

    private static func mapping(at path: String) throws -> StatusMapping {
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        do {
            return try StatusMappingRules.mapping(try JSONReader.value(bytes))
        } catch let fault as JSONFault {
            throw ValidationError("\(path) was not taken; nothing has changed.\n\(fault)")
        } catch let faults as ReferenceFaults {
            let more = faults.count > 50 ? ["… and \(faults.count - 50) more"] : []
            let lines = faults.listed.prefix(50).map(\.description) + more
            throw ValidationError("\(path) was not taken; nothing has changed.\n" + lines.joined(separator: "\n"))
        }
    }
}
