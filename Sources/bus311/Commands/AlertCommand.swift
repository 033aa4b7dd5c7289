import ArgumentParser
import Foundation
import Open311
import Operations
import Storage

/// What is wrong, who was told, and when nobody is to be told.
struct AlertCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alert", abstract: "What is wrong, who was told, and when nobody is to be told.",
        discussion: "Example: bus311 alert list. Each alert has a page under docs/operators/runbooks.",
        subcommands: [
            List.self, Acknowledge.self, Mute.self, Unmute.self, AlertMaintenanceCommand.self, AlertDeliveriesCommand.self,
            AlertTestCommand.self,
        ])

    struct View: Encodable {
        let number: Int64
        let code: String
        let tenant: String?
        let phase: String
        let severity: String
        let since: String
        let fired: String?
        let ended: String?
        let duration_seconds: Int64
        let facts: [String: Int64]
        let objects: [String]
        let unstable: Bool
        let silence: String?
        let acknowledged: String?
        let acknowledged_by: String?
        let notices: Int
        let runbook: String

        init(_ alert: AlertRecord) {
            number = alert.number
            code = alert.code
            tenant = alert.tenant
            phase = alert.phase
            severity = alert.severity
            since = alert.since.iso8601
            fired = alert.firedAt?.iso8601
            ended = alert.endedAt?.iso8601
            duration_seconds = max(0, (alert.clearAt ?? .now).seconds - alert.since.seconds)
            facts = alert.facts
            objects = alert.names
            unstable = alert.isUnstable
            silence = alert.silence
            acknowledged = alert.acknowledgedAt?.iso8601
            acknowledged_by = alert.acknowledgedBy
            notices = alert.notices
            runbook = "docs/operators/runbooks/" + (AlertCode(rawValue: alert.code)?.runbook ?? "README.md")
        }

        var text: String {
            var words = ["\(number)  \(code)  \(tenant ?? "installation")  \(phase)  \(severity)  since \(since)"]
            let numbers = facts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            if !numbers.isEmpty || !objects.isEmpty {
                words.append("  \(([numbers] + objects).filter { !$0.isEmpty }.joined(separator: ", "))")
            }
            if let silence { words.append("  not told: \(silence)") }
            if unstable { words.append("  it comes and goes") }
            if let acknowledged { words.append("  acknowledged \(acknowledged) by \(acknowledged_by ?? "-")") }
            if let ended { words.append("  over \(ended), after \(duration_seconds) s") } else { words.append("  read \(runbook)") }
            return words.joined(separator: "\n")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What is wrong now, with the page that tells what to do.",
            discussion: "Examples: bus311 alert list\n          bus311 alert list --tenant valmont-7f3a9c --all --format json")
        @OptionGroup var common: CommonOptions
        @Option(help: "Of this tenant only.") var tenant: String?
        @Flag(help: "What is over too.") var all = false

        func run() async throws {
            try await common.administer { administration in
                var id: TenantID?
                if let tenant { id = try await administration.tenant(tenant).id }
                let views = try await administration.store.alerts(all: all, tenant: id).map(View.init)
                try common.show(text: views.isEmpty ? "Nothing is wrong." : views.map(\.text).joined(separator: "\n"), json: views)
            }
        }
    }

    struct Acknowledge: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ack", abstract: "Say that you take care of it: no more reminders; its end is told.",
            discussion: "Example: bus311 alert ack 12")
        @OptionGroup var common: CommonOptions
        @Argument(help: "Its number.") var number: Int64

        func run() async throws {
            try await common.administer { administration in
                guard let alert = try await administration.store.acknowledgeAlert(number, by: Operator.name) else {
                    throw ValidationError("No alert \(number) is open. List them: bus311 alert list")
                }
                if let tenant = alert.tenant { AdministrationTrail.current?.note(tenant) }
                try common.show(text: "Acknowledged.", json: ["acknowledged": number])
            }
        }
    }

    struct Mute: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Tell nobody of one alert for a while; it stays in the list, and is told when the time is over and it is still there.",
            discussion: "Example: bus311 alert mute NO_CONSUMER --tenant valmont-7f3a9c --for 4h --because 'the CRM moves to another host'")
        @OptionGroup var common: CommonOptions
        @Argument(help: "The alert's code, as in NO_CONSUMER.") var code: AlertCode
        @Option(help: "Without it, the installation's own alert of this code.") var tenant: String?
        @Option(name: .customLong("for"), help: "How long: 90m, 4h, 2d; 30 days at most.") var length: AlertPeriod
        @Option(help: "Why, for the record.") var because: String

        func run() async throws {
            try await common.administer { administration in
                var id: TenantID?
                if let tenant { id = try await administration.tenant(tenant).id }
                let until = Timestamp.now.adding(seconds: length.seconds)
                try await administration.store.mute(code, id, until: until, because: try Reason.checked(because), by: Operator.name)
                try common.show(text: "Muted until \(until.iso8601).", json: ["code": code.rawValue, "until": until.iso8601])
            }
        }
    }

    struct Unmute: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell of it again.", discussion: "Example: bus311 alert unmute NO_CONSUMER --tenant valmont-7f3a9c")
        @OptionGroup var common: CommonOptions
        @Argument(help: "The alert's code.") var code: AlertCode
        @Option(help: "Without it, the installation's own alert of this code.") var tenant: String?

        func run() async throws {
            try await common.administer { administration in
                var id: TenantID?
                if let tenant { id = try await administration.tenant(tenant).id }
                guard try await administration.store.mute(code, id, until: nil, because: "", by: Operator.name) else {
                    throw ValidationError("\(code.rawValue) is not muted there. What is: bus311 alert maintenance list")
                }
                try common.show(text: "It is told again.", json: ["code": code.rawValue])
            }
        }
    }
}

extension AlertCode: ExpressibleByArgument {
    public init?(argument: String) { self.init(rawValue: argument.uppercased().replacing("-", with: "_")) }
}

/// As in 90m, 4h, 2d: from a minute to thirty days.
struct AlertPeriod: ExpressibleByArgument {
    let seconds: Int64

    init?(argument: String) {
        let units: [Character: Int64] = ["m": 60, "h": 3_600, "d": 86_400]
        guard let unit = argument.last.flatMap({ units[$0] }), let count = Int64(argument.dropLast()), (1...43_200).contains(count),
            count * unit <= 30 * 86_400
        else { return nil }
        seconds = count * unit
    }
}

/// Why somebody did something: one line that stays in the record.
enum Reason {
    static func checked(_ text: String) throws -> String {
        guard (1...300).contains(text.count), text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
            throw ValidationError("--because must be one line of 1 to 300 characters.")
        }
        return text
    }
}
