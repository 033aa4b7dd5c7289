import ArgumentParser
import Bus
import Foundation

struct ContractCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "contract", abstract: "The message contract: may it be published as it stands?",
        subcommands: [Check.self, Publish.self])

    struct Report: Encodable {
        let contract: String
        let against: String
        let breaking: [ContractFinding]
        let additions: [String]

        /// - Throws: ``ContractError``.
        init(_ contract: ContractFolder, against published: ContractFolder) throws {
            self.contract = contract.path
            against = published.path
            var breaking = published.changesSincePublication() + contract.findings(against: published)
            if let old = try ContractTopology.read(in: published.path) {
                breaking += TopologyComparison.findings(
                    from: old, to: try ContractTopology.read(in: contract.path), isThere: contract.holds)
            }
            self.breaking = breaking
            additions = contract.additions(to: published)
        }

        var text: String {
            var lines = breaking.map { "BREAKS  \($0.type) \($0.version)  \($0.rule.rawValue)  \($0.path)\n        \($0.why)" }
            lines += additions.map { "new     \($0)" }
            lines.append(
                breaking.isEmpty
                    ? "Nothing breaks for those who rely on \(against)."
                    : "\(breaking.count) breaking changes against \(against). Take them back, or make a new major version beside the old one: "
                        + "docs/contract/evolution.md.")
            return lines.joined(separator: "\n")
        }
    }

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Refuse what would break consumers or senders of what was published; exit code 1 when anything would.",
            discussion: """
                Works on files alone: no settings, no server.
                Example: bus311 contract check --contract docs/contract --published
                """)
        @Option(help: "The folder of the contract to be judged.") var contract = "docs/contract"
        @Option(help: "The folder of an earlier one.") var against: String?
        @Flag(help: "Against the last one in the folder `published` of the contract; so without --against.") var published = false
        @Option(help: "text for people, json for scripts.") var format: CommonOptions.OutputFormat = .text

        func run() async throws {
            guard against == nil || !published else { throw ValidationError("--against and --published contradict each other.") }
            let report: Report
            do {
                let own = try ContractFolder(path: contract)
                report = try Report(own, against: try against.map { try ContractFolder(path: $0) } ?? .lastPublished(of: contract))
            } catch let error as ContractError {
                throw ValidationError("\(error)")
            }
            try format.show(text: report.text, json: report)
            if !report.breaking.isEmpty { throw ExitCode(1) }
        }
    }

    struct Publish: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keep the contract as it stands as what was published; refused while it breaks what was published before.",
            discussion: "Example: bus311 contract publish 2026-11-25")
        @Argument(help: "A date, year first, behind the last one: the last in order is what `check` compares with.") var name: String
        @Option(help: "The folder of the contract.") var contract = "docs/contract"
        @Option(help: "text for people, json for scripts.") var format: CommonOptions.OutputFormat = .text

        func run() async throws {
            guard name.wholeMatch(of: /[0-9]{4}-[0-9]{2}-[0-9]{2}([a-z0-9.-]*)/) != nil else {
                throw ValidationError("\(name) must begin with a date, as in 2026-11-25.")
            }
            do {
                let own = try ContractFolder(path: contract)
                try own.checkName(name)
                // The first publication has nothing before it.
                if let before = try? ContractFolder.lastPublished(of: contract) {
                    let report = try Report(own, against: before)
                    guard report.breaking.isEmpty else {
                        try format.show(text: report.text, json: report)
                        throw ExitCode(1)
                    }
                }
                let path = try own.publish(as: name)
                try format.show(text: "Published as \(path).", json: ["published": path])
            } catch let error as ContractError {
                throw ValidationError("\(error)")
            }
        }
    }
}
