import ArgumentParser

@main
struct Bus311: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bus311",
        abstract: "A service bus for Open311: from citizens' apps to each city's CRM, and back.",
        discussion: "Try it: bus311 demo. Exit codes: 0 done, 1 failed or something is wrong, 2 the plan is not empty, 64 wrong usage.",
        version: Settings.version,
        subcommands: [
            Demo.self, All.self, Gateway.self, Relay.self, StatusIngest.self, WatchCommand.self, Migrate.self, TenantCommand.self,
            KeyCommand.self, CatalogueCommand.self, CredentialCommand.self, Doctor.self,
        ]
    )
}
