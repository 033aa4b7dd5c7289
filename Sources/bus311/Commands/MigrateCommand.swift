import ArgumentParser
import Foundation
import Storage

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring the database's schema up to date.",
        discussion: "Example: bus311 migrate --config owner.json --migrations ./migrations --role-passwords passwords.json")
    @OptionGroup var common: CommonOptions

    @Option(help: "Folder of the SQL files. Default: the setting `migrations`, ./migrations, or migrations beside the program.")
    var migrations: String?

    @Option(help: "JSON file (mode 0600) of role to password; lets the services' roles log in.")
    var rolePasswords: String?

    func run() async throws {
        let settings = try await common.settings()
        let owner = try settings.database(.owner)
        let passwords = try rolePasswords.map(Self.passwords) ?? [:]
        let applied = try await MigrationRunner(configuration: owner, directory: migrations ?? settings.migrations ?? Self.folder).run()
        if !passwords.isEmpty { try await RolePasswords.set(passwords, configuration: owner) }
        let store = try AdministrationStore(configuration: owner)
        try await store.audit(AdministrationTrail.current?.entries(nil) ?? [])
        await store.close()
        try common.show(
            text: applied.isEmpty ? "The schema is up to date." : "Applied: " + applied.joined(separator: ", "), json: ["applied": applied])
    }

    private static var folder: String {
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        let beside = URL(fileURLWithPath: program).deletingLastPathComponent().appendingPathComponent("migrations").path
        return ["migrations", beside].first { FileManager.default.fileExists(atPath: $0) } ?? "migrations"
    }

    private static func passwords(in path: String) throws -> [String: String] {
        let attributes: [FileAttributeKey: Any]
        do { attributes = try FileManager.default.attributesOfItem(atPath: path) } catch {
            throw ValidationError("--role-passwords: \(path) cannot be read. Check the path.")
        }
        guard let mode = attributes[.posixPermissions] as? Int, mode & 0o077 == 0 else {
            throw ValidationError("--role-passwords: others may read \(path). Run: chmod 600 \(path)")
        }
        guard let passwords = try? JSONDecoder().decode([String: String].self, from: Data(contentsOf: URL(fileURLWithPath: path))) else {
            throw ValidationError("--role-passwords: \(path) must be a JSON object of role to password.")
        }
        let unknown = passwords.keys.filter { !RolePasswords.roles.contains($0) }.sorted()
        guard unknown.isEmpty else {
            throw ValidationError(
                "--role-passwords: unknown roles \(unknown.joined(separator: ", ")). The roles are \(RolePasswords.roles.joined(separator: ", "))."
            )
        }
        return passwords
    }
}
