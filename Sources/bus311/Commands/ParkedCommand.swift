import ArgumentParser
import Foundation
import Open311
import Storage

struct ParkedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parked", abstract: "Events that can never be published as they are; later events of their request wait behind them.",
        subcommands: [List.self, Release.self, Skip.self])

    struct View: Encodable {
        let number: Int64
        let event: String
        let tenant: String
        let service_request_id: String?
        let type: String
        let attempts: Int32
        let reason: String?
        let created: String

        init(_ event: ParkedEvent) {
            number = event.seq
            self.event = event.id.description
            tenant = event.tenant
            service_request_id = event.request?.description
            type = event.type
            attempts = event.attempts
            reason = event.reason
            created = event.createdAt.iso8601
        }

        var line: String {
            "\(number)  \(tenant)  \(type)  request \(service_request_id ?? "-")  \(reason ?? "-")  created \(created)"
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "What waits for a person.", discussion: "Example: bus311 parked list")
        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await common.administer { administration in
                let views = try await administration.store.parkedEvents().map(View.init)
                try common.show(text: views.isEmpty ? "Nothing is parked." : views.map(\.line).joined(separator: "\n"), json: views)
            }
        }
    }

    struct Release: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let an event try again, once its cause is gone.", discussion: "Example: bus311 parked release 2611000000042")
        @OptionGroup var common: CommonOptions
        @Argument(help: "Its number in the list.") var number: Int64

        func run() async throws { try await ParkedCommand.settle(common, number, givingUp: nil) }
    }

    struct Skip: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give an event up; the later ones of its request follow.",
            discussion: "Example: bus311 parked skip 2611000000042 --reason 'entered by hand in the CRM'")
        @OptionGroup var common: CommonOptions
        @Argument(help: "Its number in the list.") var number: Int64
        @Option(help: "For the record.") var reason: String

        func run() async throws { try await ParkedCommand.settle(common, number, givingUp: reason) }
    }

    private static func settle(_ common: CommonOptions, _ number: Int64, givingUp reason: String?) async throws {
        try await common.administer { administration in
            guard try await administration.store.settleParked(number, givingUp: reason, by: Operator.name) else {
                throw ValidationError("Nothing is parked under \(number). List them: bus311 parked list")
            }
            try common.show(text: "Done.", json: ["number": number])
        }
    }
}
