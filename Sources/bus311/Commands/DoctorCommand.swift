import ArgumentParser
import Bus
import Foundation
import Storage

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what is wrong with the broker and the command that repairs it; exit code 1 when something is.",
        discussion: "Example: bus311 doctor --format json")
    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.administer { administration in
            let tenants = try await administration.store.tenants().map { BusTenant($0) }
            let findings = await BrokerDoctor(provisioner: try administration.provisioner()).examine(tenants)
            try common.show(
                text: findings.isEmpty ? "Nothing is wrong." : findings.map(\.description).joined(separator: "\n"), json: findings)
            if findings.contains(where: { $0.severity > .warning }) { throw ExitCode(1) }
        }
    }
}
