import ArgumentParser
import Foundation
import Open311
import Storage

struct StatisticsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "statistics",
        abstract: "Statistics of use: requests, delays, calls, the CRM's presence. See docs/operators/statistics.md.",
        subcommands: [Show.self, Export.self, Count.self])

    enum Form: String, ExpressibleByArgument, CaseIterable {
        case text, json, csv, html
    }

    /// As ``CommonOptions``, with forms of its own.
    struct Selection: ParsableArguments {
        @Option(name: .long, help: "Settings file (JSON). BUS311_CONFIG names it too.") var config: String?
        @Option(name: .customLong("set"), help: "One setting, before environment and file: --set gateway.port=9311. Repeat for more.")
        var flags: [String] = []
        @Option(help: "The tenant's key.") var tenant: String
        @Option(help: "The first day, in the tenant's time (2026-01-01). Default: twelve months, this one included.") var from: String?
        @Option(help: "The day after the last (2027-01-01). Default: the end of this month.") var to: String?
        @Option(help: "fr or en, for names and the page. Default: the tenant's language.") var language: String?
        @Option(help: "Of csv: one line each hour, day or month.") var by: UsageTable.Step = .month
        @Flag(
            name: .customLong("public"),
            help: "Of json and html: what anybody may see; nothing that tells of fewer than 5 requests, nothing of calls and the CRM.")
        var isPublic = false

        var common: CommonOptions {
            get throws {
                try CommonOptions.parse((config.map { ["--config", $0] } ?? []) + flags.flatMap { ["--set", $0] })
            }
        }

        func period(of tenant: Tenant) throws -> UsagePeriod {
            let today = LocalClock(tenant.timeZone).local(.now).day
            do { return try UsagePeriod(from: from, to: to, today: today) } catch {
                throw ValidationError("--\(error.name) \(error.problem).")
            }
        }

        func language(of tenant: Tenant) throws -> Language {
            guard let language else { return tenant.language }
            guard let known = Language(parsing: language), [.french, .english].contains(known.primary) else {
                throw ValidationError("--language must be fr or en.")
            }
            return known
        }

        /// Gives the bytes of one form, piece by piece.
        func write(_ form: Form, to output: (Data) throws -> Void) async throws {
            guard !isPublic || form != .csv else {
                throw ValidationError("--public is for json and html: each line of the CSV is as small as it is.")
            }
            try await common.administer { administration in
                let tenant = try await administration.tenant(tenant)
                let period = try period(of: tenant)
                let language = try language(of: tenant)
                try await using(try UsageStore(configuration: try administration.settings.database(.admin))) { store in
                    var report = try await store.report(of: tenant, period, language: language)
                    if isPublic { report = report.forPublic(other: language.primary == .french ? "Autres" : "Others") }
                    switch form {
                    case .text: try output(Data((UsageSummary.text(report) + "\n").utf8))
                    case .json: try output(Data(report.json + [10]))
                    case .html: try output(Data(UsagePage.html(report, isPublic: isPublic).utf8))
                    case .csv: try await csv(store, tenant, period, report, to: output)
                    }
                }
            }
        }

        private func csv(
            _ store: UsageStore, _ tenant: Tenant, _ period: UsagePeriod, _ report: UsageReport, to output: (Data) throws -> Void
        ) async throws {
            try output(Data(UsageTable.heading))
            for window in UsageTable.windows(of: period, by: by) {
                var bytes: [UInt8] = []
                for line in try await store.lines(of: tenant, from: window.from, to: window.to, by: by) {
                    bytes += UsageTable.csv(line, tenant: tenant.key, names: report.serviceNames, labels: report.keyLabels)
                }
                try output(Data(bytes))
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A tenant's statistics, with the same days a year before.",
            discussion: """
                Examples: bus311 statistics show --tenant valmont-3f9a1c
                          bus311 statistics show --tenant valmont-3f9a1c --from 2026-01-01 --to 2027-01-01 --format json
                """)
        @OptionGroup var selection: Selection
        @Option(help: "text for people; json, csv or html.") var format: Form = .text

        func run() async throws {
            try await selection.write(format) { try FileHandle.standardOutput.write(contentsOf: $0) }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The statistics as a file: CSV for spreadsheets, JSON for programs, one HTML page to look at.",
            discussion: """
                The page needs no script and nobody's server: send it, print it, put it on the city's site (then with --public).
                Texts in CSV never begin with what a spreadsheet takes for a formula: an apostrophe goes before it.
                Examples: bus311 statistics export --tenant valmont-3f9a1c --from 2026-01-01 --to 2027-01-01 --format html --output 2026.html
                          bus311 statistics export --tenant valmont-3f9a1c --format csv --by day --output days.csv
                """)
        @OptionGroup var selection: Selection
        @Option(help: "csv, json, html or text.") var format: Form = .csv
        @Option(help: "A new file; standard output without it.") var output: String?

        func run() async throws {
            let file: FileHandle
            if let output {
                let descriptor = open(output, O_WRONLY | O_CREAT | O_EXCL, 0o644)
                guard descriptor >= 0 else {
                    throw ValidationError("--output \(output) cannot be made: it must be a new file in a folder that is there.")
                }
                file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
            } else {
                file = .standardOutput
            }
            do { try await selection.write(format) { try file.write(contentsOf: $0) } } catch {
                // Half a file would look like a whole one.
                if let output { try? FileManager.default.removeItem(atPath: output) }
                throw error
            }
        }
    }

    struct Count: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Count up to now what the watch has not counted yet (it does so every half minute).",
            discussion: "Safe beside running watches. Example: bus311 statistics count")
        @OptionGroup var common: CommonOptions

        func run() async throws {
            try await common.administer { administration in
                try await using(try UsageStore(configuration: try administration.settings.database(.admin)), count)
            }
        }

        private func count(_ store: UsageStore) async throws {
            var last = try await store.step()
            var busy = 0
            while !last.isDone || last.countedTo == nil {
                if last.countedTo == nil {
                    busy += 1
                    guard busy < 300 else { throw ValidationError("Another process has been counting for a minute. Try again later.") }
                    try await Task.sleep(for: .milliseconds(200))
                }
                if let moment = last.countedTo { PhotoSweepCommand.tell("counted to \(moment.iso8601)") }
                last = try await store.step()
            }
            let moment = last.countedTo?.iso8601 ?? ""
            try common.show(text: "Counted to \(moment).", json: ["counted_to": moment, "settled_to": last.settledTo?.iso8601 ?? ""])
        }
    }
}

extension UsageTable.Step: ExpressibleByArgument {}
