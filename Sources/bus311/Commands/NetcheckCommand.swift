import AMQP
import ArgumentParser
import Bus
import Foundation
import Open311

#if canImport(Glibc)
    import Glibc
#endif

/// For a CRM's site: needs no settings and no database.
struct Netcheck: AsyncParsableCommand {
    enum Speech: String, ExpressibleByArgument {
        case fr, en
        var language: Language { self == .fr ? .french : .english }
    }

    static let configuration = CommandConfiguration(
        commandName: "netcheck",
        abstract: "At a city's site: say what the network team must open, and check from here whether it is.",
        discussion: """
            Exit codes: 0 a CRM can work from here, 1 it cannot, 64 wrong usage. Of several ways to the broker one is enough.
            The URI holds a password: give it in the variable BUS311_NETCHECK_URI or in a file, not on the command line.
            Examples: bus311 netcheck --broker bus.example --status-url https://status.example
                      bus311 netcheck --broker bus.example:443 --uri-file crm.uri --idle 120 --language en
                      bus311 netcheck --broker bus.example --status-url https://status.example --sheet > flux.md
            """)

    @Option(help: "Host names of the broker with commas; without a port, 5671 and 443. By default those of the URI.")
    var broker: String?
    @Option(help: "Address of status-ingest: https://…") var statusUrl: String?
    @Option(help: "File that holds the CRM's amqps:// URI, to log in too. BUS311_NETCHECK_URI holds it as well.") var uriFile: String?
    @Option(help: "PEM file of the authorities to trust, instead of the system's.") var caFile: String?
    @Option(help: "Seconds to keep a quiet connection after the login; 0 for not at all, 3600 at most.") var idle = 60
    @Option(help: "Seconds that each step may take, 1 to 60.") var timeout = 5
    @Option(help: "fr or en.") var language = Speech.fr
    @Option(help: "text for people, json for scripts.") var format = CommonOptions.OutputFormat.text
    @Flag(help: "Print the page for the network team (Markdown) and check nothing.") var sheet = false

    func validate() throws {
        guard (0...3_600).contains(idle) else { throw ValidationError("--idle is \(idle): give 0 to 3600 seconds.") }
        guard (1...60).contains(timeout) else { throw ValidationError("--timeout is \(timeout): give 1 to 60 seconds.") }
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        let login = try login()
        let plan = try plan(login)
        if sheet {
            print(NetworkSheet(plan: plan).markdown(in: language.language))
            return
        }
        let check = NetworkCheck(
            plan: plan, caFile: caFile ?? login?.tls?.caFile ?? AMQPConfiguration.TLS().caFile, login: login, idle: .seconds(idle),
            limit: .seconds(timeout)
        ) { line in FileHandle.standardError.write(Data("\(line)\n".utf8)) }
        let report = try await check.run()
        switch format {
        case .text: print(report.text(in: language.language))
        case .json: print(try report.json(in: language.language))
        }
        if !report.isOK { throw ExitCode(1) }
    }

    private func login() throws -> AMQPConfiguration? {
        let text: String
        if let uriFile {
            guard let read = try? String(contentsOfFile: uriFile, encoding: .utf8) else {
                throw ValidationError("The file \(uriFile) cannot be read. Check the path given with --uri-file, and its rights.")
            }
            text = read
        } else if let variable = ProcessInfo.processInfo.environment["BUS311_NETCHECK_URI"] {
            text = variable
        } else {
            return nil
        }
        do {
            return try AMQPConfiguration(uri: text.trimmingCharacters(in: .whitespacesAndNewlines))
        } catch {
            throw ValidationError("\(uriFile ?? "BUS311_NETCHECK_URI"): \(error).")
        }
    }

    private func plan(_ login: AMQPConfiguration?) throws -> NetworkPlan {
        var destinations: [NetworkPlan.Destination] = []
        if let broker {
            guard let parsed = NetworkPlan.brokers(parsing: broker) else {
                throw ValidationError("--broker \(broker): give host names with commas, each with its port if need be: bus.example:443.")
            }
            destinations = parsed
        } else if let login {
            destinations = login.endpoints.map { .init(host: $0.host, port: $0.port, purpose: .broker, usesTLS: login.tls != nil) }
        }
        if let statusUrl {
            guard let api = NetworkPlan.api(parsing: statusUrl) else {
                throw ValidationError("--status-url \(statusUrl): give an address that begins with https://")
            }
            destinations.append(api)
        }
        guard !destinations.isEmpty else {
            throw ValidationError("Name what to reach: --broker bus.example --status-url https://status.example")
        }
        return NetworkPlan(destinations: destinations, heartbeat: login?.heartbeat ?? 15)
    }
}
