import ArgumentParser
import Bus
import Foundation
import Open311
import Storage

struct IncidentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "incident", abstract: "What the watch noticed on the broker: purged or deleted queues, objects that were changed.",
        subcommands: [List.self, Settle.self])

    struct View: Encodable {
        let number: Int64
        let tenant: String
        let kind: String
        let detail: String
        let messages: Int64?
        let noticed: String
        let repair: String?
        let settled: String?
        let settled_by: String?
        let settlement: String?

        init(_ incident: QueueIncident) {
            number = incident.number
            tenant = incident.tenant
            kind = incident.kind.rawValue
            detail = incident.detail
            messages = incident.messages
            noticed = incident.noticedAt.iso8601
            repair = incident.settledAt == nil ? incident.remedy : nil
            settled = incident.settledAt?.iso8601
            settled_by = incident.settledBy
            settlement = incident.settlement
        }

        var text: String {
            "\(number)  \(noticed)  \(tenant)  \(kind)  \(detail)" + (messages.map { "  \($0) messages" } ?? "")
                + (settled.map { "\n  settled \($0) by \(settled_by ?? "-"): \(settlement ?? "-")" } ?? "\n  repair: \(repair ?? "-")")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What is not settled, the newest first, each with the command that repairs it.",
            discussion: "Examples: bus311 incident list\n          bus311 incident list --all --format json")
        @OptionGroup var common: CommonOptions
        @Flag(help: "The settled ones too.") var all = false

        func run() async throws {
            try await common.administer { administration in
                let views = try await administration.store.incidents(all: all).map(View.init)
                try common.show(text: views.isEmpty ? "There are no incidents." : views.map(\.text).joined(separator: "\n"), json: views)
            }
        }
    }

    struct Settle: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say that nothing is left to do; a replay of the whole window settles an incident by itself.",
            discussion: "Example: bus311 incident settle 3 --because 'emptied on purpose, the CRM was rebuilt'")
        @OptionGroup var common: CommonOptions
        @Argument(help: "Its number.") var number: Int64
        @Option(help: "Why, for the record.") var because: String

        func run() async throws {
            try await common.administer { administration in
                guard try await administration.store.settleIncident(number, because: because, by: Operator.name) else {
                    throw ValidationError("No incident \(number) is open. List them: bus311 incident list")
                }
                try common.show(text: "Done.", json: ["settled": number])
            }
        }
    }
}

extension Finding {
    /// What the watch noticed earlier and nobody has settled.
    init(_ incident: QueueIncident) {
        let what =
            switch incident.kind {
            case .purgeSuspected: "PURGE_SUSPECTED: \(incident.messages ?? 0) messages left \(incident.detail) and nobody took them"
            case .queueDeleted: "\(incident.detail) was deleted with \(incident.messages ?? 0) messages"
            case .configDrift: "CONFIG_DRIFT: \(incident.detail)"
            }
        self.init(
            incident.kind == .configDrift ? .warning : .error, incident.kind == .configDrift ? .tenantDrift : .purgeSuspected,
            "tenant \(incident.tenant), noticed \(incident.noticedAt.iso8601): \(what)", remedy: incident.remedy)
    }
}
