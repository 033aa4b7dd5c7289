import ArgumentParser
import Foundation
import Open311
import Storage

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Every call in and out: search, export, verify. See docs/operators/audit.md.",
        subcommands: [Search.self, Export.self, Verify.self, Seal.self, Recover.self])

    /// Which rows.
    struct Selection: ParsableArguments {
        @Option(help: "The tenant's key; without it, what is nobody's: unknown tenants, the installation itself.") var tenant: String?
        @Option(help: "From this moment or day (2026-11-25, 2026-11-25T08:00:00Z). Default: a day before --to.") var from: String?
        @Option(help: "Up to this moment or day, which is left out. Default: now.") var to: String?
        @Option(help: "in.http, in.rest, in.amqp, out.amqp, out.http, out.smtp or admin.") var direction: AuditDirection?
        @Option(help: "A key's public id, or an operator's account.") var actor: String?
        @Option(help: "As in 'POST requests', 'PUT updates', service_request.created.v1, 'tenant apply'.") var operation: String?
        @Option(help: "A service_request_id.") var request: String?
        @Option(help: "As in 200, confirmed, returned, applied, 'exit 0'.") var result: String?
        @Option(help: "An X-Request-Id, a message's id, or a trace's 32 digits.") var correlation: String?

        func filter(_ administration: Administration) async throws -> AuditFilter {
            let end = try to.map { try Self.moment($0, "--to") } ?? Timestamp.now.adding(seconds: 1)
            var filter = AuditFilter(from: try from.map { try Self.moment($0, "--from") } ?? end.adding(days: -1), to: end)
            guard filter.from < filter.to else { throw ValidationError("--from must be before --to.") }
            filter.direction = direction
            filter.actor = actor
            filter.operation = operation
            filter.result = result
            filter.correlation = correlation?.lowercased().count == 32 ? correlation?.lowercased() : correlation
            if let request { filter.request = try await administration.request(request) }
            return filter
        }

        private static func moment(_ text: String, _ option: String) throws -> Timestamp {
            guard let moment = Timestamp(parsing: text) else {
                throw ValidationError("\(option) \(text): write a day or a moment with its zone, as in 2026-11-25 or 2026-11-25T08:00:00Z.")
            }
            return moment
        }
    }

    struct Search: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The newest rows that match, oldest of them first.",
            discussion: """
                Examples: bus311 audit search --tenant valmont-3f9a1c --operation 'POST requests' --result 200
                          bus311 audit search --tenant valmont-3f9a1c --request 2611000004217
                """)
        @OptionGroup var common: CommonOptions
        @OptionGroup var selection: Selection
        @Option(help: "Rows, at most: 1 to 10000.") var limit = 100

        func run() async throws {
            guard (1...10_000).contains(limit) else { throw ValidationError("--limit must be 1 to 10000.") }
            try await common.audit(selection.tenant) { store, tenant, administration in
                let filter = try await selection.filter(administration)
                let rows = try await store.latest(of: tenant?.id, filter, limit: limit).reversed()
                let key = tenant?.key.rawValue
                switch common.format {
                case .json:
                    let lines = rows.map { String(decoding: AuditExport.jsonl.line($0, tenant: key).dropLast(), as: UTF8.self) }
                    print("[" + lines.joined(separator: ",\n ") + "]")
                case .text:
                    for row in rows { print(Self.text(row)) }
                    if rows.isEmpty { print("No row matches. The period is \(filter.from.iso8601) to \(filter.to.iso8601).") }
                }
            }
        }

        private static func text(_ row: AuditRow) -> String {
            let parts = [
                row.at.iso8601, row.direction.padding(toLength: 8, withPad: " ", startingAt: 0), row.actor ?? "-", row.operation,
                row.request.map { String($0) } ?? "-", row.objects ?? "-", row.result, "\(Double(row.microseconds) / 1_000) ms",
                "\(row.bytesIn)/\(row.bytesOut) B", row.correlationID ?? "-",
            ]
            return parts.joined(separator: "  ") + (row.calls > 1 ? "  (\(row.calls) calls)" : "")
                + (row.traceID.map { "  trace " + AuditExport.hexadecimal($0) } ?? "")
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "All rows that match, oldest first, as CSV or JSON lines.",
            discussion: """
                Texts in CSV never begin with what a spreadsheet takes for a formula: an apostrophe goes before it.
                Example: bus311 audit export --tenant valmont-3f9a1c --from 2026-11-01 --to 2026-12-01 --as csv --output audit.csv
                """)
        @OptionGroup var common: CommonOptions
        @OptionGroup var selection: Selection
        @Option(name: .customLong("as"), help: "csv or jsonl.") var form: AuditExport = .jsonl
        @Option(help: "A new file; standard output without it.") var output: String?

        func run() async throws {
            try await common.audit(selection.tenant) { store, tenant, administration in
                let filter = try await selection.filter(administration)
                let file = try target()
                try file.write(contentsOf: form.heading)
                var cursor = AuditStore.Cursor.start
                var count = 0
                while true {
                    let rows = try await store.page(of: tenant?.id, filter, after: cursor, limit: 5_000)
                    try file.write(contentsOf: rows.flatMap { form.line($0, tenant: tenant?.key.rawValue) })
                    count += rows.count
                    if output != nil { PhotoSweepCommand.tell("\(count) rows") }
                    guard rows.count == 5_000, let last = rows.last else { break }
                    cursor = AuditStore.Cursor(storedAt: last.storedAt, id: last.id)
                }
                if let output { try common.show(text: "\(count) rows in \(output).", json: ["rows": count]) }
            }
        }

        private func target() throws -> FileHandle {
            guard let output else { return .standardOutput }
            let descriptor = open(output, O_WRONLY | O_CREAT | O_EXCL, 0o600)
            guard descriptor >= 0 else {
                throw ValidationError("--output \(output) cannot be made: it must be a new file in a folder that is there.")
            }
            return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Compute every sealed day anew, follow the chain, look for missing rows. Exit code 1: somebody changed something.",
            discussion: """
                Exit code 0 with findings: nothing was changed, but something could not be written, as by a process that was killed
                (silent-end, lost-rows, unrecorded-requests). Of each finding --format json says whether it is tampering.
                Who may change everything in a database may also make new seals: keep them elsewhere (bus311 audit seal --list --format json,
                or the log's lines "audit sealed") and give them with --against.
                Example: bus311 audit verify --against seals-2026-11.json
                """)
        @OptionGroup var common: CommonOptions
        @Option(help: "Seals that were kept outside: what `audit seal --list --format json` printed.") var against: String?

        private struct View: Encodable {
            struct Finding: Encodable {
                let kind: String
                let text: String
                let tampering: Bool
            }

            let days: Int
            let rows: Int64
            let findings: [Finding]
        }

        func run() async throws {
            let kept = try against.map(SealView.read) ?? []
            var isTampered = false
            try await common.audit(nil) { store, _, _ in
                let names = try await common.tenantNames()
                let report = try await store.verify(keptElsewhere: kept, now: .now) {
                    names[$0] ?? ($0 == 0 ? "installation" : "tenant \($0)")
                }
                let lines = report.findings.map { "\($0.kind.rawValue): \($0.text)" }
                isTampered = report.findings.contains(where: \.isTampering)
                try common.show(
                    text: ([
                        "\(report.days) sealed days, \(report.rows) rows: "
                            + (isTampered
                                ? "NOT as they were written."
                                : report.findings.isEmpty
                                    ? "as they were written."
                                    : "as they were written. What could not be written, and who was killed, follows; nobody changed anything.")
                    ] + lines).joined(separator: "\n"),
                    json: View(
                        days: report.days, rows: report.rows,
                        findings: report.findings.map {
                            View.Finding(kind: $0.kind.rawValue, text: $0.text, tampering: $0.isTampering)
                        }))
            }
            if isTampered { throw ExitCode(1) }
        }
    }

    /// A seal as it is kept outside.
    struct SealView: Codable {
        let tenant: Int32
        let day: String
        let rows: Int64
        let digest: String

        init(_ seal: AuditSeal) {
            tenant = seal.tenant
            day = seal.day
            rows = seal.rows
            digest = AuditExport.hexadecimal(seal.digest)
        }

        static func read(_ path: String) throws -> [AuditSeal] {
            guard let data = FileManager.default.contents(atPath: path) else { throw ValidationError("--against: \(path) cannot be read.") }
            guard let views = try? JSONDecoder().decode([SealView].self, from: data) else {
                throw ValidationError("--against: \(path) is not what `bus311 audit seal --list --format json` printed.")
            }
            return try views.map { view in
                let digits = Array(view.digest.utf8)
                let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
                    UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16)
                }
                guard bytes.count == 32, digits.count == 64 else {
                    throw ValidationError("--against: the digest of \(view.day) is no SHA-256.")
                }
                return AuditSeal(tenant: view.tenant, day: view.day, rows: view.rows, previous: nil, digest: bytes)
            }
        }
    }

    struct Seal: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Seal the days that are over (the watch does it every ten minutes), or list the seals.",
            discussion: "Example: bus311 audit seal --list --format json > /mnt/elsewhere/seals.json")
        @OptionGroup var common: CommonOptions
        @Flag(help: "All seals there are; seals nothing.") var list = false

        func run() async throws {
            try await common.audit(nil) { store, _, _ in
                let seals = list ? try await store.seals() : try await store.sealFinishedDays()
                let views = seals.map(SealView.init)
                try common.show(
                    text: views.isEmpty
                        ? (list ? "There are no seals." : "Every day that is over is sealed.")
                        : views.map { "\($0.day)  tenant \($0.tenant)  \($0.rows) rows  \($0.digest)" }.joined(separator: "\n"), json: views
                )
            }
        }
    }

    struct Recover: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a row for each request whose POST could not be written down, because the process was killed.",
            discussion: "Sealing a day does it by itself. Example: bus311 audit recover --from 2026-11-25")
        @OptionGroup var common: CommonOptions
        @Option(help: "From this day on. Default: two days ago.") var from: String?

        func run() async throws {
            let start = try from.map { text in
                guard let day = Timestamp(day: text) else { throw ValidationError("--from \(text): write a day, as in 2026-11-25.") }
                return day
            }
            try await common.audit(nil) { store, _, _ in
                // The last minute may still be on its way.
                let count = try await store.recover(
                    from: start ?? Timestamp.now.adding(days: -2), to: Timestamp.now.adding(seconds: -10))
                try common.show(text: "\(count) requests had no row and have one now.", json: ["recovered": count])
            }
        }
    }
}

extension AuditDirection: ExpressibleByArgument {}
extension AuditExport: ExpressibleByArgument {}

extension CommonOptions {
    /// Works with the audit; the command itself is audited too.
    func audit(_ key: String?, _ work: (AuditStore, Tenant?, Administration) async throws -> Void) async throws {
        try await administer { administration in
            let tenant: Tenant?
            if let key { tenant = try await administration.tenant(key) } else { tenant = nil }
            try await using(try AuditStore(configuration: try administration.settings.database(.admin))) {
                try await work($0, tenant, administration)
            }
        }
    }

    /// Keys by number.
    func tenantNames() async throws -> [Int32: String] {
        let known = try await using(try AdministrationStore(configuration: try await settings().database(.admin))) {
            try await $0.tenants()
        }
        return Dictionary(known.map { ($0.id.rawValue, $0.key.rawValue) }, uniquingKeysWith: { first, _ in first })
    }
}
