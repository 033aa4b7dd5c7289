import ArgumentParser
import Foundation
import Open311
import Storage

struct CatalogueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "catalogue",
        abstract: "A tenant's services and their questions.",
        subcommands: [Load.self, Check.self]
    )

    struct View: Encodable {
        let kind: String
        let service_code: String
        let place: String
        let text: String

        init(_ finding: CatalogueFinding) {
            kind = finding.kind.rawValue
            service_code = finding.service.rawValue
            place = finding.place
            text = finding.text
        }
    }

    struct Load: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a file's services the tenant's catalogue; services that are not in it are retired.",
            discussion: "Example: bus311 catalogue load valmont-7f3a9c catalogue.json"
        )
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Argument(help: "JSON file of services, as in examples/demo-catalogue.json.") var file: String

        func run() async throws {
            try await common.administer { administration in
                let tenant = try await administration.tenant(tenant)
                let services = try CatalogueFile.loaded(from: file, languages: tenant.languages)
                let findings = CatalogueCheck.findings(services, languages: tenant.languages)
                try await administration.store.setCatalogue(services, of: tenant.id, by: Operator.name)
                let lines = ["Loaded \(services.count) services."] + findings.map(\.description)
                try common.show(text: lines.joined(separator: "\n"), json: findings.map(View.init))
            }
        }
    }

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List what is wrong or missing, each text in each of the tenant's languages; exit code 1 when anything is.",
            discussion: "Example: bus311 catalogue check valmont-7f3a9c --language nl"
        )
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Option(help: "Check for this language too; may be repeated.") var language: [String] = []

        func run() async throws {
            try await common.administer { administration in
                let tenant = try await administration.tenant(tenant)
                let more = try language.map { tag in
                    guard let language = Language(parsing: tag) else { throw ValidationError("--language \(tag) is no language tag.") }
                    return language
                }
                let services = try await administration.store.services(of: tenant.id)
                let findings = CatalogueCheck.findings(
                    services,
                    languages: tenant.languages + more.filter { !tenant.languages.contains($0) }
                )
                let text = findings.isEmpty ? "Nothing is missing." : findings.map(\.description).joined(separator: "\n")
                try common.show(text: text, json: findings.map(View.init))
                if findings.contains(where: { $0.kind != .advice }) { throw ExitCode(1) }
            }
        }
    }
}
