import ArgumentParser
import Curl
import Foundation
import NIOConcurrencyHelpers
import Open311
import Storage

/// What an operator's command turns out to be about, for the audit: its name, never its arguments, which may hold anything.
final class AdministrationTrail: Sendable {
    private struct State {
        var tenant: TenantID?
        var request: ServiceRequestID?
        var calls: [AuditEntry] = []
        var more = 0
    }

    @TaskLocal static var current: AdministrationTrail?

    let operation: String
    private let began = Timestamp.now
    private let start = ContinuousClock.now
    private let state = NIOLockedValueBox(State())

    /// Calls to other servers that get rows of their own; a long replay makes thousands.
    private static let maximumCalls = 1_000

    /// - Parameter arguments: the command line behind the program's name.
    init(_ arguments: some Sequence<String>) {
        var words: [String] = []
        var command: any ParsableCommand.Type = Bus311.self
        for argument in arguments {
            guard let next = command.configuration.subcommands.first(where: { $0._commandName == argument }) else { break }
            words.append(argument)
            command = next
        }
        operation = words.joined(separator: " ")
    }

    func note(_ tenant: TenantID) { state.withLockedValue { $0.tenant = tenant } }

    func note(_ request: ServiceRequestID, of tenant: TenantID) {
        state.withLockedValue {
            $0.tenant = tenant
            $0.request = request
        }
    }

    func note(_ call: OutgoingCall) {
        state.withLockedValue { state in
            guard state.calls.count < Self.maximumCalls else { return state.more += 1 }
            var entry = AuditEntry(call, by: Operator.name)
            entry.tenant = entry.tenant ?? state.tenant
            state.calls.append(entry)
        }
    }

    /// The command's own row, then one for each call that it made.
    ///
    /// - Parameter failure: why it did not end well.
    func entries(_ failure: (any Error)?) -> [AuditEntry] {
        let state = self.state.withLockedValue { $0 }
        let code = failure.map { Bus311.code(of: $0) } ?? 0
        return [
            AuditEntry(
                at: began, tenant: state.tenant, direction: .admin, actor: Operator.name, operation: operation, request: state.request,
                objects: state.more == 0 ? nil : "and \(state.more) more calls", result: "exit \(code)", duration: start.duration(to: .now))
        ] + state.calls
    }
}
