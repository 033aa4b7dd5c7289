import ArgumentParser
import Foundation
import Open311
import Storage

/// Announced work, during which nothing new is told.
struct AlertMaintenanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maintenance", abstract: "Announce work: nothing new is told of the tenant, or of all, meanwhile.",
        subcommands: [Add.self, List.self, End.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Announce work.",
            discussion: """
                Examples: bus311 alert maintenance add --tenant valmont-7f3a9c --for 2h --because 'the CRM is updated'
                          bus311 alert maintenance add --from 2026-12-01T20:00:00Z --to 2026-12-01T22:00:00Z --because 'RabbitMQ 4'
                """)
        @OptionGroup var common: CommonOptions
        @Option(help: "Without it, the whole installation.") var tenant: String?
        @Option(help: "When it begins; now when it is not said.") var from: String?
        @Option(help: "When it ends.") var to: String?
        @Option(name: .customLong("for"), help: "In place of --to, how long: 90m, 4h, 2d.") var length: AlertPeriod?
        @Option(help: "Why, for the record.") var because: String

        func run() async throws {
            let begins = try from.map { try Self.moment($0, "--from") } ?? .now
            guard (to == nil) != (length == nil) else { throw ValidationError("Give --to or --for, and not both.") }
            let ends = try to.map { try Self.moment($0, "--to") } ?? begins.adding(seconds: length?.seconds ?? 0)
            guard ends > .now, ends <= begins.adding(days: 30), begins < ends else {
                throw ValidationError("The work must end after it begins, later than now, and within 30 days.")
            }
            try await common.administer { administration in
                var id: TenantID?
                if let tenant { id = try await administration.tenant(tenant).id }
                let number = try await administration.store.addMaintenance(
                    of: id, from: begins, to: ends, because: try Reason.checked(because), by: Operator.name)
                try common.show(
                    text: "Window \(number): \(begins.iso8601) to \(ends.iso8601).", json: ["window": number])
            }
        }

        private static func moment(_ text: String, _ option: String) throws -> Timestamp {
            guard let moment = Timestamp(parsing: text) else {
                throw ValidationError("\(option) \(text) is no date and time, as in 2026-12-01T20:00:00Z.")
            }
            return moment
        }
    }

    struct View: Encodable {
        let window: Int64?
        let code: String?
        let tenant: String?
        let from: String?
        let to: String
        let reason: String
        let by: String

        init(_ pause: AlertPause) {
            window = pause.number
            code = pause.code
            tenant = pause.tenant
            from = pause.from?.iso8601
            to = pause.to.iso8601
            reason = pause.reason
            by = pause.by
        }

        var text: String {
            let what = window.map { "window \($0)" } ?? "\(code ?? "-") muted"
            return "\(what)  \(tenant ?? "installation")  \(from.map { "from \($0) " } ?? "")to \(to)  \(reason) (\(by))"
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Announced work that has not ended, and muted alerts.", discussion: "Example: bus311 alert maintenance list")
        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await common.administer { administration in
                let views = try await administration.store.alertPauses().map(View.init)
                try common.show(text: views.isEmpty ? "Everything is told." : views.map(\.text).joined(separator: "\n"), json: views)
            }
        }
    }

    struct End: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "End announced work now.", discussion: "Example: bus311 alert maintenance end 3")
        @OptionGroup var common: CommonOptions
        @Argument(help: "The window's number.") var number: Int64

        func run() async throws {
            try await common.administer { administration in
                guard let ended = try await administration.store.endMaintenance(number, by: Operator.name) else {
                    throw ValidationError("No window \(number) is open. List them: bus311 alert maintenance list")
                }
                if let tenant = ended.tenant { AdministrationTrail.current?.note(tenant) }
                try common.show(text: "Ended.", json: ["ended": number])
            }
        }
    }
}
