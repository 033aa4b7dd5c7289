import ArgumentParser
import Foundation
import Open311
import Storage

/// Shows or changes how a tenant's statuses come back; status-ingest follows within seconds.
struct TenantStatuses: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "statuses", abstract: "Show or change what the codes of a tenant's CRM mean, and how long it may take to answer.",
        discussion: """
            A mapping is a JSON list: [{"code": "EC", "status": "IN_PROCESS", "status_notes": "Une équipe est en route"}].
            Example: bus311 tenant statuses valmont-7f3a9c --mapping codes.json --acknowledge-within 240 --tokens-wait 1440
            """)
    @OptionGroup var common: CommonOptions
    @Argument var tenant: String
    @Option(help: "JSON file: the mapping from now on, in place of the one before.") var mapping: String?
    @Option(help: "Minutes within which the CRM should acknowledge a request; 0: nobody waits for it.") var acknowledgeWithin: Int32?
    @Option(help: "Minutes after which a token is answered our own id; 0: only the CRM resolves it.") var tokensWait: Int32?

    private struct View: Encodable {
        struct Code: Encodable {
            let code: String
            let status: String
            let status_notes: String?
        }

        let tenant: String
        let codes: [Code]
        let acknowledge_within_minutes: Int32?
        let tokens_wait_minutes: Int32?

        init(_ key: TenantKey, _ policy: LifecyclePolicy) {
            tenant = key.rawValue
            codes = policy.mapping.entries.map { Code(code: $0.code, status: $0.status.description, status_notes: $0.statusNotes) }
            acknowledge_within_minutes = policy.acknowledgementMinutes
            tokens_wait_minutes = policy.tokenMinutes
        }

        var text: String {
            let limits =
                "\(tenant)  acknowledged within \(acknowledge_within_minutes.map { "\($0) min" } ?? "no limit")  "
                + "tokens wait \(tokens_wait_minutes.map { "\($0) min" } ?? "for the CRM")  codes \(codes.count)"
            return ([limits] + codes.map { "  \($0.code) -> \($0.status)" }).joined(separator: "\n")
        }
    }

    func run() async throws {
        try await common.administer { administration in
            let tenant = try await administration.tenant(tenant)
            var policy = tenant.policies.lifecycle
            for (name, minutes) in [("--acknowledge-within", acknowledgeWithin), ("--tokens-wait", tokensWait)] {
                guard minutes.map({ (0...525_600).contains($0) }) ?? true else {
                    throw ValidationError("\(name) takes minutes from 0 to 525600, a year.")
                }
            }
            if let mapping { policy.mapping = try Self.mapping(at: mapping) }
            if let acknowledgeWithin { policy.acknowledgementMinutes = acknowledgeWithin == 0 ? nil : acknowledgeWithin }
            if let tokensWait { policy.tokenMinutes = tokensWait == 0 ? nil : tokensWait }
            if policy.mapping != tenant.policies.lifecycle.mapping {
                try await administration.store.setStatusMapping(policy.mapping, of: tenant.id, by: Operator.name)
            }
            if policy != tenant.policies.lifecycle { try await administration.store.setLifecycleLimits(policy, of: tenant.id) }
            let view = View(tenant.key, policy)
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
