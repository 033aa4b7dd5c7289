import ArgumentParser
import Foundation
import Open311
import Storage

struct ReferenceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reference",
        abstract: "A tenant's reference data, version by version: catalogue, boundary and places.",
        discussion: "Kinds: \(kinds). Example: bus311 reference list valmont-7f3a9c",
        subcommands: [List.self, Show.self, Diff.self, Publish.self, Rollback.self, ReferencePullCommand.self])

    static let kinds = ReferenceKind.allCases.filter { $0.rules != nil }.map(\.pathName).joined(separator: ", ")

    struct View: Encodable {
        let kind: String
        let version: Int32
        let state: String
        let author: String
        let note: String?
        let made_from: Int32?
        let created: String
        let publish: String?
        let published: String?
        let superseded: String?
        let bytes: Int

        init(_ version: ReferenceVersion) {
            kind = version.kind.pathName
            self.version = version.number
            state = version.state.rawValue
            author = version.author
            note = version.note
            made_from = version.base
            created = version.createdAt.iso8601
            publish = version.publishAt?.iso8601
            published = version.publishedAt?.iso8601
            superseded = version.supersededAt?.iso8601
            bytes = version.size
        }

        var line: String {
            let moment = publish.map { "for \($0)" } ?? published ?? created
            return "\(kind) \(version)  \(state)  \(moment)  by \(author)\(note.map { "  (\($0))" } ?? "")"
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The versions of a kind, or of all, newest first.",
            discussion: "Example: bus311 reference list valmont-7f3a9c --kind catalogue --format json")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Option(help: "One kind only.") var kind: ReferenceKind?
        @Option(help: "Versions of each kind, 1 to 1000.") var limit: Int32 = 20

        func run() async throws {
            guard (1...1_000).contains(limit) else { throw ValidationError("--limit must be 1 to 1000.") }
            try await common.references { administration, store in
                let tenant = try await administration.tenant(tenant)
                var views: [View] = []
                for kind in kind.map({ [$0] }) ?? ReferenceKind.allCases {
                    views += try await store.versions(kind, of: tenant.id, limit: limit).map(View.init)
                }
                try common.show(text: views.isEmpty ? "There are no versions yet." : views.map(\.line).joined(separator: "\n"), json: views)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a document: the live one, or a version; in the form that publish takes.",
            discussion: """
                Examples: bus311 reference show valmont-7f3a9c catalogue > catalogue.json
                          bus311 reference show valmont-7f3a9c catalogue --csv > catalogue.csv
                """)
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Argument var kind: ReferenceKind
        @Option(help: "A version's number; the live one without it.") var version: Int32?
        @Flag(help: "As a table for a spreadsheet.") var csv = false

        func run() async throws {
            try await common.references { administration, store in
                let tenant = try await administration.tenant(tenant)
                let document = try await store.existing(kind, version, of: tenant)
                guard csv else {
                    let value = try JSONSerialization.jsonObject(with: Data(document.body), options: [.fragmentsAllowed])
                    let options: JSONSerialization.WritingOptions = [
                        .prettyPrinted, .sortedKeys, .withoutEscapingSlashes, .fragmentsAllowed,
                    ]
                    FileHandle.standardOutput.write(try JSONSerialization.data(withJSONObject: value, options: options) + Data("\n".utf8))
                    return
                }
                guard let table = kind.rules?.csv(try JSONReader.value(document.body)) else {
                    throw ValidationError("\(kind.pathName) is no table: leave --csv out.")
                }
                FileHandle.standardOutput.write(Data(table))
            }
        }
    }

    struct Rollback: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make what a former version said live again, under a new number.",
            discussion: "Example: bus311 reference rollback valmont-7f3a9c catalogue 1")
        @OptionGroup var common: CommonOptions
        @Argument var tenant: String
        @Argument var kind: ReferenceKind
        @Argument(help: "The version's number.") var version: Int32

        func run() async throws {
            try await common.references { administration, store in
                let tenant = try await administration.tenant(tenant)
                do throws(ReferenceRefusal) {
                    let change = try await store.rollBack(kind, to: version, by: Operator.name, of: tenant.id)
                    try? common.show(ReferenceOutcome(kind, change))
                } catch {
                    throw Publish.sentence(error, kind, tenant)
                }
            }
        }
    }
}

/// What a command did.
struct ReferenceOutcome: Encodable {
    let kind: String
    let outcome: String
    let version: Int32
    /// Of a document that was sent; nil of a version that was there.
    var advice: [Advice]?

    /// As in answers of status-ingest.
    struct Advice: Encodable {
        let pointer: String
        let detail: String
    }

    init(_ kind: ReferenceKind, _ change: ReferenceChange) {
        self.kind = kind.pathName
        outcome = change.outcome.rawValue
        version = change.number
    }

    var line: String { outcome == "unchanged" ? "Nothing to change: version \(version) says the same." : "\(kind) \(version): \(outcome)" }
}

extension ReferenceKind: ExpressibleByArgument {
    public init?(argument: String) {
        self.init(pathName: argument)
        if rules == nil { return nil }
    }

    public static var allValueStrings: [String] { allCases.filter { $0.rules != nil }.map(\.pathName) }
}

extension CommonOptions {
    func references(_ work: (Administration, ReferenceStore) async throws -> Void) async throws {
        try await administer { administration in
            try await using(try ReferenceStore(configuration: try administration.settings.database(.admin))) {
                try await work(administration, $0)
            }
        }
    }

    func show(_ outcome: ReferenceOutcome) throws { try show(text: outcome.line, json: outcome) }
}

extension ReferenceStore {
    /// The live document, or a version's.
    func existing(_ kind: ReferenceKind, _ number: Int32?, of tenant: Tenant) async throws -> ReferenceDocument {
        if let number {
            guard let document = try await document(kind, number, of: tenant.id) else {
                throw ValidationError("There is no version \(number) of \(kind.pathName). List them: bus311 reference list \(tenant.key)")
            }
            return document
        }
        guard let document = try await live(kind, of: tenant.id) else {
            throw ValidationError(
                "No version of \(kind.pathName) is live. Publish one: bus311 reference publish \(tenant.key) \(kind.pathName) --file FILE")
        }
        return document
    }
}
