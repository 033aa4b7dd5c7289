import ArgumentParser
import Foundation
import Open311
import Storage

/// A document in a file: JSON, or a table when its name ends in .csv.
struct ReferenceFile {
    let checked: CheckedReference
    let body: [UInt8]
    /// What is legal and probably not meant, in the places of the file.
    let advice: [ReferenceFault]

    /// - Throws: every fault, those that other documents make of it too; nothing is changed by reading.
    init(path: String, charset: String?, kind: ReferenceKind, tenant: Tenant, store: ReferenceStore) async throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ValidationError("\(path) cannot be read: check its path and its rights.")
        }
        let isTable = path.lowercased().hasSuffix(".csv")
        do {
            let candidate = try ReferenceSource(Array(data), isTable ? .csv(charset: charset) : .json, kind: kind, tenant: tenant).whole()
            let findings = try await store.findings(on: candidate.document, of: kind, tenant: tenant.id)
            checked = try candidate.checked(of: tenant, with: findings.faults)
            advice = checked.advice + candidate.placed(findings.advice)
        } catch let faults as ReferenceFaults {
            throw ValidationError("\(path) was not published:\n" + CatalogueFile.lines(faults).joined(separator: "\n"))
        }
        body = checked.value.canonicalBytes
    }
}

extension ReferenceCommand {
    struct Diff: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What differs between the live document and a version or a file; exit code 2 when anything does.",
            discussion: """
                Examples: bus311 reference diff valmont-7f3a9c catalogue --file catalogue.json
                          bus311 reference diff valmont-7f3a9c catalogue --from 1 --to 2
                """)
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Argument var kind: ReferenceKind
        @Option(help: "The version to begin with; the live one without it.") var from: Int32?
        @Option(help: "The version to end with.") var to: Int32?
        @Option(help: "A JSON or .csv file to end with.") var file: String?
        @Option(help: "Of a .csv file that is not UTF-8, as in windows-1252.") var charset: String?

        struct View: Encodable {
            let op: String
            let path: String
            let before: String?
            let after: String?

            init(_ difference: ReferenceDifference) {
                op = difference.operation.rawValue
                path = difference.path
                before = difference.before.map { String(decoding: $0.canonicalBytes, as: UTF8.self) }
                after = difference.after.map { String(decoding: $0.canonicalBytes, as: UTF8.self) }
            }

            var line: String {
                let sign = ["add": "+", "remove": "-", "change": "~", "reorder": "≠"][op] ?? "?"
                guard op == "change" else { return "\(sign) \(path.isEmpty ? "the order" : path)" }
                return "\(sign) \(path): \(before ?? "") → \(after ?? "")"
            }
        }

        func run() async throws {
            guard (to == nil) != (file == nil) else {
                throw ValidationError("Name a version with --to, or a file with --file: one of the two.")
            }
            try await common.references { administration, store in
                let tenant = try await administration.tenant(tenant)
                let new: JSONValue
                if let file {
                    new = try await ReferenceFile(path: file, charset: charset, kind: kind, tenant: tenant, store: store).checked.value
                } else {
                    new = try JSONReader.value(try await store.existing(kind, to, of: tenant).body)
                }
                let old: JSONValue?
                if let from {
                    old = try JSONReader.value(try await store.existing(kind, from, of: tenant).body)
                } else {
                    old = try await store.live(kind, of: tenant.id).map { try JSONReader.value($0.body) }
                }
                let views = ReferenceDifference.between(old, new, key: kind.entryKey).map(View.init)
                try common.show(text: views.isEmpty ? "No difference." : views.map(\.line).joined(separator: "\n"), json: views)
                if !views.isEmpty { throw ExitCode(2) }
            }
        }
    }

    struct Publish: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Publish a file as a new version, or a draft by its number, now or at a date.",
            discussion: """
                A file is checked as a whole; nothing is kept when anything in it is wrong. See what it would change: bus311 reference diff.
                Examples: bus311 reference publish valmont-7f3a9c catalogue --file catalogue.csv --at 2099-01-01T00:00:00Z
                          bus311 reference publish valmont-7f3a9c catalogue --version 2
                """)
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Argument var kind: ReferenceKind
        @Option(help: "A JSON file, or a table whose name ends in .csv.") var file: String?
        @Option(help: "Of a .csv file that is not UTF-8, as in windows-1252.") var charset: String?
        @Option(help: "A draft's or a scheduled version's number.") var version: Int32?
        @Option(help: "When, as in 2027-01-01T00:00:00Z; at once without it.") var at: String?
        @Flag(help: "Keep it as a draft; of a scheduled version: withdraw it.") var draft = false
        @Option(help: "For people; up to 500 characters.") var note: String?

        func run() async throws {
            guard (file == nil) != (version == nil) else {
                throw ValidationError("Name a file with --file, or a version with --version: one of the two.")
            }
            guard at == nil || !draft else { throw ValidationError("--at and --draft contradict each other.") }
            guard (note ?? "").unicodeScalars.count <= 500 else { throw ValidationError("--note may have 500 characters at most.") }
            var moment = ReferenceMoment.now
            if draft { moment = .never }
            if let at {
                guard let parsed = Timestamp(parsing: at) else {
                    throw ValidationError("--at \(at) is no date and time, as in 2027-01-01T00:00:00Z.")
                }
                moment = .at(parsed)
            }
            let when = moment
            try await common.references { administration, store in
                let tenant = try await administration.tenant(tenant)
                do {
                    if let file {
                        let file = try await ReferenceFile(path: file, charset: charset, kind: kind, tenant: tenant, store: store)
                        let change = try await store.put(
                            NewReference(kind: kind, body: file.body, author: Operator.name, note: note), at: when, of: tenant.id)
                        var outcome = ReferenceOutcome(kind, change)
                        outcome.advice = file.advice.map { ReferenceOutcome.Advice(pointer: $0.pointer, detail: $0.text) }
                        let advice = file.advice.map { "advice: \($0)" }
                        try common.show(text: ([outcome.line] + advice).joined(separator: "\n"), json: outcome)
                    } else if let version {
                        try common.show(ReferenceOutcome(kind, try await store.publish(kind, version, at: when, of: tenant.id)))
                    }
                } catch let refusal as ReferenceRefusal {
                    throw Self.sentence(refusal, kind, tenant)
                }
            }
        }

        static func sentence(_ refusal: ReferenceRefusal, _ kind: ReferenceKind, _ tenant: Tenant) -> any Error {
            switch refusal {
            case .storage(let error): error
            case .stale: ValidationError("Another version of \(kind.pathName) became live meanwhile. Run this again.")
            case .unknownVersion:
                ValidationError("There is no such version of \(kind.pathName). List them: bus311 reference list \(tenant.key)")
            case .superseded:
                ValidationError("It was live before. Make it live again: bus311 reference rollback \(tenant.key) \(kind.pathName) NUMBER")
            case .idsTaken:
                ValidationError(
                    "An id of the \(kind.pathName) is that of a place of another kind: an id is of one kind of places. Change it.")
            case .tooMany: ValidationError("500 versions of \(kind.pathName) were made within a day: wait, and find out who makes them.")
            }
        }
    }
}
