import ArgumentParser
import Bus
import Foundation
import Storage

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what is wrong with the broker and the command that repairs it.",
        discussion: "Exit code 1 when something is wrong, 69 when the broker does not answer. Example: bus311 doctor --format json")
    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.administer { administration in
            let tenants = try await administration.store.tenants().map { BusTenant($0) }
            let now = await BrokerDoctor(provisioner: try administration.provisioner()).examine(tenants)
            // Drift is seen by looking; what was lost is only known to the watch.
            let noticed = try await administration.store.incidents().filter { $0.kind != .configDrift }.map(Finding.init)
            let findings = (noticed + now).sorted { $0.severity > $1.severity }
            try common.show(
                text: findings.isEmpty ? "Nothing is wrong." : findings.map(\.description).joined(separator: "\n"), json: findings)
            if findings.contains(where: { $0.code == .brokerUnreachable }) { throw ExitCode(69) }
            if findings.contains(where: { $0.severity > .warning }) { throw ExitCode(1) }
        }
    }
}
