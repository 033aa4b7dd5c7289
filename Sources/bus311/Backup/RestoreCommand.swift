import ArgumentParser

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Bring an installation back from a backup folder, into empty folders only.",
        discussion: """
            The steps, with what each is for, stand in docs/operators/backup.md. Examples:
              bus311 restore --from /srv/backup --data /var/lib/postgresql/15/restored --media /var/lib/bus311/media
              bus311 restore --from /srv/backup --data /var/lib/postgresql/15/restored --to-time 2026-11-26T03:45:00Z
              bus311 restore broker --from /srv/backup
              bus311 restore check
            """,
        subcommands: [RestoreRunCommand.self, RestoreBrokerCommand.self, RestoreCheckCommand.self],
        defaultSubcommand: RestoreRunCommand.self)
}
