import ArgumentParser
import Foundation
import Open311
import Operations
import Storage

struct PrivacyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "privacy", abstract: "What personal data there are, why, how long, and who sees them.", subcommands: [Sheet.self])

    struct Sheet: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The sheet for the register of processing, made of the running configuration, as Markdown.",
            discussion: "Example: bus311 privacy sheet --language fr > registre.md")
        @OptionGroup var common: CommonOptions
        @Option(help: "fr or en.") var language: PersonalDataSheet.Language = .french
        @Option(help: "Only this tenant's terms.") var tenant: String?

        func run() async throws {
            try await common.administer { administration in
                var tenants = try await administration.store.tenants()
                if let tenant { tenants = [try await administration.tenant(tenant)] }
                let sheet = PersonalDataSheet(
                    cities: tenants.map { PersonalDataSheet.City($0) }, takesPhotos: try administration.settings.media != nil,
                    language: language)
                try common.show(text: sheet.text, json: ["language": language.rawValue, "markdown": sheet.text])
            }
        }
    }
}

extension PersonalDataSheet.Language: ExpressibleByArgument {}
