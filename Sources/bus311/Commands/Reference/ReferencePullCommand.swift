import ArgumentParser
import Curl
import Foundation
import Logging
import Open311
import Operations
import Storage

/// `60s`, `15m`, `1h`, `7d`.
struct PullPace: ExpressibleByArgument {
    static let range = 60...2_678_400
    let seconds: Int32

    init?(argument: String) {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        guard let last = argument.last, let unit = units[last], argument.utf8.count <= 8, let number = Int(argument.dropLast()),
            Self.range.contains(number * unit)
        else { return nil }
        seconds = Int32(number * unit)
    }
}

struct ReferencePullCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull",
        abstract: "Fetch reference data from a URL now, or have them fetched on a schedule; without options: fetch now what is scheduled.",
        discussion: """
            The watch fetches: conditionally (ETag, Last-Modified), 16 MiB, 60 s and three redirects at most, from hosts on the Internet and
            those that reference.fetch.allow names. What is wrong as a whole is not published. A fetch that fails is tried again after 1, 2, 4…
            minutes. With --ask-crm the CRM is asked by reference_data.refresh_requested instead.
            Examples: bus311 reference pull valmont-7f3a9c --url https://crm.valmont.example/catalogue.json --every 1h
                      bus311 reference pull valmont-7f3a9c --ask-crm --every 1d
                      bus311 reference pull valmont-7f3a9c --status
            """)
    @OptionGroup var common: CommonOptions
    @Argument var tenant: String
    @Option(help: "What is fetched.") var kind = ReferenceKind.catalogue
    @Option(help: "From where: https.") var url: String?
    @Flag(help: "The address may be http: anybody on the way can change what comes.") var plainHttp = false
    @Flag(help: "Ask the CRM by an event, in place of fetching.") var askCrm = false
    @Option(help: "How often, from 60s to 31d, as in 15m, 1h, 7d.") var every: PullPace?
    @Flag(help: "End the schedule.") var off = false
    @Flag(help: "Show the schedule and what came last.") var status = false

    struct View: Encodable {
        let kind: String
        let url: String?
        let asks_crm: Bool
        let every_seconds: Int32
        let next: String
        let failures: Int32
        let last: String?
        let last_outcome: String?
        let last_detail: String?
        let last_version: Int32?

        init(_ pull: ReferencePull) {
            kind = pull.kind.pathName
            url = pull.url
            asks_crm = pull.url == nil
            every_seconds = pull.everySeconds
            next = pull.nextAt.iso8601
            failures = pull.failures
            last = pull.lastAt?.iso8601
            last_outcome = pull.lastOutcome
            last_detail = pull.lastDetail
            last_version = pull.lastVersion
        }

        var line: String {
            let source = url ?? "asked of the CRM"
            let result = last.map { "last \($0): \(last_outcome ?? "")\(last_detail.map { " (\($0))" } ?? "")" } ?? "not fetched yet"
            return "\(kind)  \(source)  every \(every_seconds) s  next \(next)\n  \(result)\(failures > 0 ? ", \(failures) failures" : "")"
        }
    }

    struct Fetched: Encodable {
        let kind: String
        let outcome: String
        let detail: String?
        let version: Int32?
    }

    func run() async throws {
        let isSetting = url != nil || askCrm
        guard [isSetting, off, status].count(where: { $0 }) <= 1, !(url != nil && askCrm) else {
            throw ValidationError("--url, --ask-crm, --off and --status exclude each other.")
        }
        guard isSetting == (every != nil) else { throw ValidationError("--every goes with --url or --ask-crm, and they with it.") }
        if let url {
            guard let link = LinkAddress(url) else { throw ValidationError("--url \(url) is no http or https URL of a plain host.") }
            guard link.isSecure || plainHttp else { throw ValidationError("--url \(url) is not https. Allow it with --plain-http.") }
        }
        try await common.references { administration, store in
            let tenant = try await administration.tenant(tenant)
            if let every, isSetting {
                try await store.setPull(
                    kind, of: tenant.id, url: url, allowsCleartext: plainHttp, everySeconds: every.seconds, by: Operator.name)
                return try await show(store, tenant)
            }
            if off {
                guard try await store.removePull(kind, of: tenant.id) else { throw nothingSet(tenant) }
                return try common.show(text: "\(kind.pathName) is fetched no more.", json: [String: String]())
            }
            if status { return try await show(store, tenant) }
            try await fetch(store, administration.settings, tenant)
        }
    }

    private func show(_ store: ReferenceStore, _ tenant: Tenant) async throws {
        let views = try await store.pulls(of: tenant.id).map(View.init)
        try common.show(text: views.isEmpty ? "Nothing is fetched." : views.map(\.line).joined(separator: "\n"), json: views)
    }

    private func nothingSet(_ tenant: Tenant) -> ValidationError {
        ValidationError("Nothing is set for \(kind.pathName): bus311 reference pull \(tenant.key) --url URL --every 1h")
    }

    private func fetch(_ store: ReferenceStore, _ settings: Settings, _ tenant: Tenant) async throws {
        guard try await store.pulls(of: tenant.id).contains(where: { $0.kind == kind }) else { throw nothingSet(tenant) }
        let puller = try ReferencePuller(
            store: store, allowed: try settings.allowedReferenceSources, authorities: settings.referenceAuthorities,
            origin: settings.origin,
            logger: Logger(label: "reference") { _ in SwiftLogNoOpLogHandler() })
        let result = try await using(puller) { try await $0.now(kind, of: tenant.id) }
        guard let result else {
            throw ValidationError("Somebody is fetching it at this moment. See: bus311 reference pull \(tenant.key) --status")
        }
        let view = Fetched(kind: kind.pathName, outcome: result.outcome.rawValue, detail: result.detail, version: result.version)
        try common.show(
            text: "\(view.outcome)\(view.version.map { ", version \($0)" } ?? "")\(view.detail.map { ": \($0)" } ?? "")", json: view)
        if result.outcome.isFailure { throw ExitCode(1) }
    }
}
