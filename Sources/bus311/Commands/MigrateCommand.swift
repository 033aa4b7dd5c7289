import ArgumentParser
import Foundation
import Storage

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring the database's schema up to date.",
        discussion: "Example: bus311 migrate --config owner.json --migrations ./migrations --role-passwords passwords.json")
    @OptionGroup var common: CommonOptions

    @Option(help: "Folder of the SQL files. Default: ./migrations")
    var migrations: String?

    @Option(help: "JSON file (mode 0600) of role to password; lets the services' roles log in.")
    var rolePasswords: String?

    func run() async throws {
        let settings = try await common.settings()
        let owner = try settings.database(.owner)
        let applied = try await MigrationRunner(configuration: owner, directory: migrations ?? settings.migrations ?? "migrations").run()
        if let rolePasswords {
            let data = try Data(contentsOf: URL(fileURLWithPath: rolePasswords))
            try await RolePasswords.set(try JSONDecoder().decode([String: String].self, from: data), configuration: owner)
        }
        try common.show(
            text: applied.isEmpty ? "The schema is up to date." : "Applied: " + applied.joined(separator: ", "), json: ["applied": applied])
    }
}
