import ArgumentParser
import Bus
import Foundation
import Open311
import Storage

struct TenantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant", abstract: "Tenants: the CRM applications behind the bus.",
        subcommands: [
            Create.self, List.self, Show.self, TenantPolicyCommand.self, TenantPhotosCommand.self, TenantStatuses.self, TenantPlan.self,
            TenantApply.self,
            TenantDrift.self, TenantExport.self, TenantSchema.self, TenantOffboard.self, Delete.self,
        ])

    struct View: Encodable {
        let tenant: String
        let name: String
        let jurisdictions: [String]
        let language: String
        let shard: Int16
        let virtual_host: String
        let request_queue: String

        init(_ tenant: Tenant) {
            self.tenant = tenant.key.rawValue
            name = tenant.name
            jurisdictions = tenant.jurisdictions.map(\.rawValue)
            language = tenant.language.rawValue
            shard = tenant.shard
            virtual_host = tenant.virtualHost
            request_queue = Topology(tenant: tenant.key).requestQueue
        }

        var line: String { "\(tenant)  \(name)  \(jurisdictions.joined(separator: ","))  queue \(request_queue)" }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a tenant; then apply it to the broker.",
            discussion:
                "Example: bus311 tenant create valmont --name 'Ville de Valmont' --jurisdiction valmont.example --catalogue catalogue.json")
        @OptionGroup var common: CommonOptions
        @Argument(help: "The beginning of its key; six random hexadecimal digits are added.") var stem: String
        @Option var name: String
        @Option(help: "jurisdiction_id; may be repeated.") var jurisdiction: [String]
        @Option(help: "fr or en.") var language = "fr"
        @Option(help: "Where a text missing in the wanted language is looked for next; may be repeated.") var fallbackLanguage: [String] =
            []
        @Option(help: "IANA time zone.") var timeZone = "Europe/Paris"
        @Option(help: "The broker's virtual host.") var vhost = "open311"
        @Option(help: "How to reach the operator (discovery).") var contact = "-"
        @Option(help: "How to get an API key (discovery).") var keyService = "-"
        @Option(help: "JSON file of services.") var catalogue: String?

        func run() async throws {
            try await common.administer { administration in
                guard !jurisdiction.isEmpty else { throw ValidationError("Name at least one --jurisdiction.") }
                let languages = try ([language] + fallbackLanguage).map(Self.language)
                let services = try catalogue.map { try CatalogueFile.loaded(from: $0, languages: languages) }
                let suffix = String(UInt32.random(in: 0..<0x100_0000) + 0x100_0000, radix: 16).suffix(6)
                let tenant = try await administration.store.createTenant(
                    NewTenant(
                        key: try TenantKey(validating: "\(stem)-\(suffix)"), name: name,
                        jurisdictions: try jurisdiction.map { try JurisdictionID(validating: $0) }, language: try Self.language(language),
                        timeZone: timeZone,
                        virtualHost: vhost, contact: contact, keyService: keyService,
                        fallbackLanguages: try fallbackLanguage.map(Self.language)))
                if let services { try await administration.store.setCatalogue(services, of: tenant.id, by: Operator.name) }
                try common.show(text: View(tenant).line, json: View(tenant))
            }
        }

        private static func language(_ tag: String) throws -> Language {
            guard let language = Language(parsing: tag) else { throw ValidationError("\(tag) is no language tag, as in fr or nl-BE.") }
            return language
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Every tenant.", discussion: "Example: bus311 tenant list --format json")
        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await common.administer { administration in
                let views = try await administration.store.tenants().map(View.init)
                try common.show(text: views.map(\.line).joined(separator: "\n"), json: views)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "One tenant.", discussion: "Example: bus311 tenant show valmont-7f3a9c")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String

        func run() async throws {
            try await common.administer { administration in
                let view = View(try await administration.tenant(tenant))
                try common.show(text: view.line, json: view)
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a tenant off the broker and out of the directory; its requests stay for the rolling year.",
            discussion: "Example: bus311 tenant delete valmont-7f3a9c --force")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Flag(help: "Even when messages wait in its queues.") var force = false

        func run() async throws {
            try await common.administer { administration in
                let tenant = try await administration.tenant(tenant)
                let removed = try await administration.provisioner().delete(BusTenant(tenant), force: force)
                _ = try await administration.store.deleteTenant(tenant.key)
                try common.show(text: "Removed \(tenant.key): \(removed.joined(separator: ", "))", json: ["removed": removed])
            }
        }
    }
}
