import ArgumentParser
import Foundation
import Open311
import Storage

struct ModerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "moderate", abstract: "Hide a published service request with its photos, or show it again; the CRM is told.",
        discussion: "Example: bus311 moderate hide 2611000004217 --reason 'names a neighbour'", subcommands: [Hide.self, Restore.self])

    struct View: Encodable {
        let service_request_id: String
        let outcome: String
        let hidden: Bool
    }

    struct Hide: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a request out of every public answer.",
            discussion: "Example: bus311 moderate hide 2611000004217 --reason 'names a neighbour'")
        @OptionGroup var common: CommonOptions
        @Argument(help: "service_request_id") var request: String
        @Option(help: "For the CRM's people; up to 255 characters.") var reason: String

        func run() async throws { try await ModerateCommand.decide(.hide, common, request, reason) }
    }

    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a hidden request again.", discussion: "Example: bus311 moderate restore 2611000004217 --reason 'reviewed'")
        @OptionGroup var common: CommonOptions
        @Argument(help: "service_request_id") var request: String
        @Option(help: "For the CRM's people; up to 255 characters.") var reason: String

        func run() async throws { try await ModerateCommand.decide(.restore, common, request, reason) }
    }

    private static func decide(_ decision: Moderation.Decision, _ common: CommonOptions, _ text: String, _ reason: String) async throws {
        let moderation: Moderation
        do {
            moderation = try Moderation(decision, because: reason, at: .now, through: .operator)
        } catch {
            throw ValidationError("--\(error).")
        }
        try await common.administer { administration in
            try await administration.decide(about: text) { store, id, tenant in
                let applied = try await store.moderate(
                    id, moderation, by: Operator.name, of: tenant, origin: administration.settings.origin)
                let view = View(
                    service_request_id: id.description, outcome: applied.isChange ? "applied" : "unchanged", hidden: applied.isHidden)
                try common.show(
                    text: applied.isChange
                        ? "\(id) is \(moderation.decision.state); \(Self.told(of: tenant))."
                        : "\(id) was \(moderation.decision.state) already.",
                    json: view)
            }
        }
    }

    fileprivate static func told(of tenant: Tenant) -> String {
        tenant.id.isTest ? "a test endpoint has no CRM to tell" : "the CRM is told"
    }
}

struct EraseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "erase",
        abstract: "Forget the person behind a service request, for good: in the database, in kept events, in what waits; the CRM is told.",
        discussion: """
            What was delivered cannot be unsent: the CRM must erase too. docs/contract/erasure.md says what is kept.
            Example: bus311 erase 2611000004217 --reason data_subject_request
            """)
    @OptionGroup var common: CommonOptions
    @Argument(help: "service_request_id") var request: String
    @Option(help: "data_subject_request, retention, legal_order or sent_by_mistake: a code, because it is kept.") var reason: ErasureReason

    private struct View: Encodable {
        let service_request_id: String
        let outcome: String
        let reason: String
        let erased_datetime: String
    }

    func run() async throws {
        try await common.administer { administration in
            try await administration.decide(about: request) { store, id, tenant in
                let applied = try await store.erase(
                    id, because: reason, by: Operator.name, of: tenant, origin: administration.settings.origin)
                let view = View(
                    service_request_id: id.description, outcome: applied.isChange ? "erased" : "repeated", reason: applied.reason,
                    erased_datetime: applied.erasedAt.iso8601)
                try common.show(
                    text: applied.isChange
                        ? "\(id) is erased; \(ModerateCommand.told(of: tenant)). The files of its photos go with the next sweep, within two hours."
                        : "\(id) was erased on \(view.erased_datetime) already (\(applied.reason)).",
                    json: view)
            }
        }
    }
}

extension ErasureReason: ExpressibleByArgument {}

extension Administration {
    /// Runs a decision about one request with the rights of the CRM's own door: an operator needs no others.
    fileprivate func decide(
        about text: String, _ decision: (StatusUpdateStore, ServiceRequestID, Tenant) async throws -> Void
    ) async throws {
        let id = try await request(text)
        guard let owner = try await store.owner(of: id),
            let tenant = try await store.tenants().first(where: { $0.id == owner.production })
        else { throw ValidationError("No tenant has a service request \(id).") }
        AdministrationTrail.current?.note(id, of: owner)
        let updates = try StatusUpdateStore(configuration: try settings.database(.status), connections: 1)
        do {
            try await using(updates) { try await decision($0, id, owner.isTest ? tenant.testEndpoint : tenant) }
        } catch let refusal as StatusUpdateRefusal {
            if case .storage(let error) = refusal { throw error }
            throw ValidationError(refusal.fault?.detail ?? "\(refusal)")
        }
    }
}
