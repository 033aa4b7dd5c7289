import AMQP
import ArgumentParser
import Bus
import Foundation
import Postgres
import Storage

#if canImport(Glibc)
    import Glibc
#endif

@main
struct Bus311: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bus311",
        abstract: "A service bus for Open311: from citizens' apps to each city's CRM, and back.",
        discussion:
            "Try it: bus311 demo. Exit codes: 0 done, 1 failed or something is wrong, 2 the plan is not empty, 64 wrong usage, 69 database or broker unreachable.",
        version: Settings.version,
        subcommands: [
            Demo.self, DemoCertificate.self, All.self, Gateway.self, Relay.self, StatusIngest.self, WatchCommand.self, PhotosCommand.self,
            MailerCommand.self,
            Migrate.self,
            TenantCommand.self, KeyCommand.self, CatalogueCommand.self, ReferenceCommand.self, CredentialCommand.self, Doctor.self,
            DeadLetterCommand.self,
            ReplayCommand.self,
            AlertCommand.self, IncidentCommand.self, ParkedCommand.self, TimelineCommand.self, NoticeCommand.self, NoticesCommand.self,
            PhotoCommand.self,
            Netcheck.self, ModerateCommand.self, EraseCommand.self, PersonCommand.self, ErasuresCommand.self, ContractCommand.self,
            AuditCommand.self, StatisticsCommand.self, RetentionCommand.self, PrivacyCommand.self,
            BackupCommand.self, RestoreCommand.self,
        ]
    )

    static func main() async {
        do {
            try await AdministrationTrail.$current.withValue(AdministrationTrail(CommandLine.arguments.dropFirst())) {
                var command = try parseAsRoot()
                if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
            }
        } catch {
            guard isUnreachable(error) else { leave(code(of: error), saying: fullMessage(for: error)) }
            leave(69, saying: "Error: \(error)\nCheck that the server runs and that its address in the settings is right.")
        }
        leave(0)
    }

    /// Ends the process without the C libraries' own clean-up: OpenSSL's would free what the thread of a connection that was closed a
    /// moment ago is freeing itself.
    private static func leave(_ code: Int32, saying text: String = "") -> Never {
        fflush(nil)
        if !text.isEmpty { (code == 0 ? FileHandle.standardOutput : FileHandle.standardError).write(Data((text + "\n").utf8)) }
        _exit(code)
    }

    static func code(of error: any Error) -> Int32 { isUnreachable(error) ? 69 : exitCode(for: error).rawValue }

    /// Whether somebody else's server is away: trying again later may help, another command line would not.
    private static func isUnreachable(_ error: any Error) -> Bool {
        switch error {
        case let error as StorageError: error.kind == .unavailable
        case let error as PostgresError: error.kind == .cannotConnect
        case BrokerAdministrationError.unreachable, ProvisioningError.broker(.unreachable): true
        case let error as AMQPError:
            [.hostNotFound, .connectionRefused, .connectionLost, .timeout, .heartbeatTimeout].contains(error.kind)
        default: false
        }
    }
}
