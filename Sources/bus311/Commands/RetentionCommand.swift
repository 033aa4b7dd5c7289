import ArgumentParser
import Foundation
import NIOConcurrencyHelpers
import Open311
import Operations
import Storage

struct RetentionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retention",
        abstract: "Forget and remove what was kept as long as it may be: one rolling year, unless a tenant has another term.",
        discussion: "bus311 watch does this once a day. docs/operators/retention.md says what goes when.",
        subcommands: [Plan.self, Run.self, RetentionHoldCommand.self, Ledger.self])

    /// One line of a plan or of a report.
    struct Step: Encodable {
        let tenant: String?
        let table: String
        let action: String
        let rows: Int64
        let oldest: String?
        let newest: String?
        let sample: [String]?

        init(_ step: RetentionStep, _ names: [TenantID: String]) {
            tenant = step.tenant.map { id in
                (names[id.production] ?? "tenant \(id.production.rawValue), which is gone") + (id.isTest ? " (test endpoint)" : "")
            }
            table = step.relation
            action = step.action
            rows = step.rows
            oldest = step.oldest?.iso8601
            newest = step.newest?.iso8601
            sample = step.sample.isEmpty ? nil : step.sample
        }

        var text: String {
            let span = oldest.map { " (\($0) to \(newest ?? "-"))" } ?? ""
            let ids = sample.map { ": " + $0.joined(separator: ", ") + (Int64($0.count) < rows && action != "dropped" ? ", …" : "") } ?? ""
            return "\(tenant ?? "installation")  \(table)  \(action)  \(rows)\(span)\(ids)"
        }
    }

    struct Plan: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what a run would do, with the first ids; nothing is changed.",
            discussion: "Examples: bus311 retention plan\n          bus311 retention plan --at 2026-06-01T00:00:00Z --format json")
        @OptionGroup var common: CommonOptions
        @Option(help: "As if it were this moment; not later than now.") var at: String?

        private struct View: Encodable {
            let at: String
            let steps: [Step]
        }

        func run() async throws {
            let moment = try RetentionCommand.moment(at)
            try await common.administer { administration in
                let names = try await RetentionCommand.names(administration)
                let steps = try await administration.retaining { try await $0.plan(at: moment) }.map { Step($0, names) }
                let lines = steps.map(\.text)
                try common.show(
                    text: lines.isEmpty
                        ? "Nothing is older than its term."
                        : (lines + ["Nothing was changed. To do it: bus311 retention run"]).joined(separator: "\n"),
                    json: View(at: moment.iso8601, steps: steps))
            }
        }
    }

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Do it, in small transactions; what is cut off goes on with the next run.",
            discussion: """
                Examples: bus311 retention run
                          bus311 retention run --after-gap   (nothing ran for more than 35 days, and the clock is right)
                """)
        @OptionGroup var common: CommonOptions
        @Option(help: "As if it were this moment; not later than now.") var at: String?
        @Flag(help: "The database's clock is right, though no run was for more than 35 days.") var afterGap = false
        @Flag(help: "Without pauses, and with as many words to CRMs as there are: for an installation that serves nobody at this moment.")
        var hurry = false

        private struct View: Encodable {
            let run: Int64
            let outcome: String
            let steps: [Step]
            let left: [String]
            let ledger: String?
        }

        func run() async throws {
            let moment = try RetentionCommand.moment(at)
            try await common.administer { administration in
                let names = try await RetentionCommand.names(administration)
                let told = NIOLockedValueBox(ContinuousClock.now)
                let report = try await administration.retaining { store in
                    let run = RetentionRun(store: store, origin: administration.settings.origin, pace: hurry ? .hurried : .standard)
                    return try await run(at: moment, by: Operator.name, afterGap: afterGap) { what, count in
                        let isTime = told.withLockedValue { last in
                            guard last.duration(to: .now) > .seconds(2) else { return false }
                            last = .now
                            return true
                        }
                        if isTime { FileHandle.standardError.write(Data("\(count) \(what)\n".utf8)) }
                    }
                }
                guard let report else {
                    throw ValidationError("Another process runs retention at this moment: bus311 retention ledger shows its run.")
                }
                let steps = report.steps.map { Step($0, names) }
                let lines =
                    steps.map(\.text) + report.left.map { "left for the next run: \($0)" }
                    + [
                        "Run \(report.number) is over\(report.digest.map { "; the ledger ends with \(AuditExport.hexadecimal($0))" } ?? "")."
                    ]
                try common.show(
                    text: lines.joined(separator: "\n"),
                    json: View(
                        run: report.number, outcome: report.left.isEmpty ? "finished" : "partial", steps: steps, left: report.left,
                        ledger: report.digest.map { AuditExport.hexadecimal($0) }))
            }
        }
    }

    struct Ledger: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What went, run by run; --verify follows the chain.",
            discussion:
                "Examples: bus311 retention ledger\n          bus311 retention ledger --verify   (ends with 1 when an entry was changed)")
        @OptionGroup var common: CommonOptions
        @Option(help: "How many runs, the newest.") var last = 10
        @Flag(help: "Compute every entry's digest anew and follow the chain.") var verify = false

        private struct RunView: Encodable {
            let run: Int64
            let began: String
            let clock: String
            let by: String
            let ended: String?
            let outcome: String
            let ledger: String?
            let steps: [Step]
        }

        private struct View: Encodable {
            let runs: [RunView]
            let faults: [String]?
        }

        func validate() throws {
            guard (1...1_000).contains(last) else { throw ValidationError("--last must be 1 to 1000.") }
        }

        func run() async throws {
            try await common.administer { administration in
                let names = try await RetentionCommand.names(administration)
                let (views, faults) = try await administration.retaining { store in
                    var views: [RunView] = []
                    for run in try await store.runs(limit: last) {
                        views.append(
                            RunView(
                                run: run.number, began: run.beganAt.iso8601, clock: run.clock.iso8601, by: run.by,
                                ended: run.endedAt?.iso8601, outcome: run.outcome ?? "running",
                                ledger: run.digest.map { AuditExport.hexadecimal($0) },
                                steps: try await store.steps(of: run.number).map { Step($0, names) }))
                    }
                    let faults = verify ? try await store.verify().map { "entry \($0.entry): \($0.problem)" } : nil
                    return (views, faults)
                }
                var lines: [String] = []
                for view in views {
                    lines.append("run \(view.run)  \(view.began)  \(view.outcome)  \(view.by)\(view.ledger.map { "  \($0)" } ?? "")")
                    lines += view.steps.map { "  " + $0.text }
                }
                if let faults { lines += faults.isEmpty ? ["The ledger is what was written."] : faults }
                try common.show(text: lines.joined(separator: "\n"), json: View(runs: views, faults: faults))
                if faults?.isEmpty == false { throw ExitCode(1) }
            }
        }
    }

    static func moment(_ text: String?) throws -> Timestamp {
        guard let text else { return .now }
        guard let moment = Timestamp(parsing: text) else {
            throw ValidationError("--at \(text) is no date and time, as in 2026-12-01T20:00:00Z.")
        }
        guard moment <= .now else { throw ValidationError("--at \(text) is later than now: nothing younger goes, ever.") }
        return moment
    }

    static func names(_ administration: Administration) async throws -> [TenantID: String] {
        Dictionary(try await administration.store.tenants().map { ($0.id, $0.key.rawValue) }, uniquingKeysWith: { first, _ in first })
    }
}

extension Administration {
    /// Works with retention's own rights.
    func retaining<Value>(_ work: (RetentionStore) async throws -> Value) async throws -> Value {
        do {
            return try await using(try RetentionStore(configuration: try settings.database(.watch)), work)
        } catch {
            switch error {
            case RetentionError.refused(let words):
                throw ValidationError("\(words). If the clock is right and nothing ran: bus311 retention run --after-gap")
            case RetentionError.storage(let storage): throw storage
            default: throw error
            }
        }
    }
}
