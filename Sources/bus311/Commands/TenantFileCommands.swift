import ArgumentParser
import Bus
import Foundation
import Open311
import Storage
import TenantFiles

/// A tenant named by its key, or described by its file.
struct TenantSource: ParsableArguments {
    @Argument(help: "The tenant's key; or give its file with -f.") var tenant: String?
    @Option(name: .shortAndLong, help: "The tenant's file (YAML).") var file: String?

    func validate() throws {
        guard (tenant == nil) != (file == nil) else { throw ValidationError("Name the tenant's key, or its file with -f: one of the two.") }
    }
}

/// What a plan found or an application did, in both places.
private struct TenantReport: Encodable {
    let tenant: String
    /// Whether the database has no such tenant.
    let is_new: Bool
    let record: [TenantDifference]
    let virtual_host: String
    /// The broker's.
    let changes: [ProvisioningChange]

    var isEmpty: Bool { !is_new && record.isEmpty && changes.isEmpty }

    var lines: [String] {
        var lines: [String] = []
        if is_new { lines.append("+ tenant \(tenant)") }
        lines += record.map { "\($0)" }
        lines += changes.map { "\($0)" }
        return lines
    }
}

struct TenantPlan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "What differs between a tenant, or its file, and database and live broker; exit code 2 when anything does.",
        discussion: "Examples: bus311 tenant plan valmont-7f3a9c\n          bus311 tenant plan -f tenant.yaml")
    @OptionGroup var common: CommonOptions
    @OptionGroup var source: TenantSource

    func run() async throws {
        let document = try source.file.map { try TenantDocument(path: $0) }
        try await common.administer { administration in
            guard let document else {
                let tenant = try await administration.tenant(source.tenant ?? "")
                let plan = try await administration.provisioner().plan(BusTenant(tenant))
                try common.show(text: plan.description, json: plan)
                if !plan.isEmpty { throw ExitCode(2) }
                return
            }
            let report = try await Self.report(document, administration)
            try common.show(text: report.isEmpty ? "nothing to change" : report.lines.joined(separator: "\n"), json: report)
            if !report.isEmpty { throw ExitCode(2) }
        }
    }

    private static func report(_ document: TenantDocument, _ administration: Administration) async throws -> TenantReport {
        let declared = document.file.declaration
        func broker(_ tenant: BusTenant) async throws -> [ProvisioningChange] {
            try await administration.provisioner().plan(tenant).changes
        }
        switch try await document.subject(in: administration) {
        case .existing(let tenant):
            let differences = try await document.differences(from: tenant, administration)
            return TenantReport(
                tenant: tenant.key.rawValue, is_new: false, record: differences, virtual_host: tenant.virtualHost,
                changes: try await broker(BusTenant(tenant.key, declared)))
        case .new(let key):
            return TenantReport(
                tenant: key.rawValue, is_new: true, record: [], virtual_host: declared.virtualHost,
                changes: try await broker(BusTenant(key, declared)))
        case .newOfStem(let stem):
            // Its objects' names are not known yet.
            return TenantReport(tenant: "\(stem)-…", is_new: true, record: [], virtual_host: declared.virtualHost, changes: [])
        }
    }
}

extension BusTenant {
    /// What a file wants of the broker.
    init(_ key: TenantKey, _ declared: TenantDeclaration) {
        self.init(
            key: key, virtualHost: declared.virtualHost, readsDeadLetters: declared.credentials.readsDeadLetters,
            slots: declared.credentials.slots, limits: declared.limits)
    }
}

struct TenantApply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Make database and broker as a tenant, or its file, says; again and again without harm.",
        discussion: """
            The database's part is one transaction, and comes first; interrupted anywhere, the same command does the rest.
            Examples: bus311 tenant apply valmont-7f3a9c
                      bus311 tenant apply -f tenant.yaml
            """)
    @OptionGroup var common: CommonOptions
    @OptionGroup var source: TenantSource
    @Flag(help: "Even when all queues together could outgrow the broker's disk.") var overcommit = false

    func run() async throws {
        let document = try source.file.map { try TenantDocument(path: $0) }
        try await common.administer { administration in
            let provisioner = try administration.provisioner(overcommits: overcommit)
            guard let document else {
                let tenant = try await administration.tenant(source.tenant ?? "")
                let done = try await provisioner.apply(BusTenant(tenant))
                return try common.show(text: done.isEmpty ? "Nothing to do." : done.description, json: done)
            }
            try await apply(document, administration, provisioner)
        }
    }

    private func apply(_ document: TenantDocument, _ administration: Administration, _ provisioner: Provisioner) async throws {
        let subject = try await document.subject(in: administration)
        let key: TenantKey
        var record: [TenantDifference] = []
        var isNew = true
        switch subject {
        case .existing(let tenant):
            key = tenant.key
            record = try await document.differences(from: tenant, administration)
            isNew = false
        case .new(let given): key = given
        case .newOfStem(let stem): key = try TenantKey.drawn(from: stem)
        }
        let wanted = BusTenant(key, document.file.declaration)
        // Before the record: a tenant that has no room on the broker, or a queue in its way, is not half made.
        try await provisioner.check(wanted)
        if isNew || !record.isEmpty { try await Self.store(document, as: key, administration.store) }
        let isTerminal = isatty(FileHandle.standardError.fileDescriptor) != 0
        let done = try await provisioner.apply(wanted) { change in
            if isTerminal { FileHandle.standardError.write(Data("\(change)\n".utf8)) }
        }
        let report = TenantReport(
            tenant: key.rawValue, is_new: isNew, record: record, virtual_host: wanted.virtualHost, changes: done.changes)
        var lines = report.isEmpty ? ["Nothing to do."] : report.lines
        lines += document.advice.map { "catalogue: \($0)" }
        if isNew, case .newOfStem(let stem) = subject {
            lines.append("The tenant is \(key): write that in place of \(stem) into \(document.path).")
        }
        try common.show(text: lines.joined(separator: "\n"), json: report)
    }
}

extension TenantApply {
    private static func store(_ document: TenantDocument, as key: TenantKey, _ store: AdministrationStore) async throws {
        do throws(StorageError) {
            let tenant = try await store.apply(
                document.file.declaration, to: key, boundary: document.boundary, catalogue: document.catalogue,
                notices: document.file.notices.policy.map { .set($0) } ?? .keep, templates: document.templates, by: Operator.name)
            AdministrationTrail.current?.note(tenant.id)
        } catch {
            guard error.kind == .duplicate else { throw error }
            throw ValidationError("\(document.path): another command took the key or a jurisdiction meanwhile. Run this one again.")
        }
    }
}

extension TenantKey {
    /// A new key with six random hexadecimal digits.
    static func drawn(from stem: String) throws -> TenantKey {
        let suffix = String(UInt32.random(in: 0..<0x100_0000) + 0x100_0000, radix: 16).suffix(6)
        return try TenantKey(validating: "\(stem)-\(suffix)")
    }
}

struct TenantDrift: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drift",
        abstract: "What the live broker has otherwise than it should, for every tenant; exit code 2 when anything is.",
        discussion:
            "Compares queues, exchanges and their arguments, bindings, policies with each tenant's own, users, permissions and limits; tells of "
            + "users that are nobody's of ours and may do something there, of queues and exchanges with a name of ours that no tenant has, and of "
            + "tags that our accounts do not need. "
            + "Example: bus311 tenant drift --format json")
    @OptionGroup var common: CommonOptions

    struct View: Encodable {
        /// Nil for what concerns all tenants of the virtual host.
        let tenant: String?
        /// Nil for what concerns the whole broker.
        let virtual_host: String?
        let changes: [ProvisioningChange]
    }

    func run() async throws {
        try await common.administer { administration in
            let tenants = try await administration.store.tenants()
            let provisioner = try administration.provisioner()
            let pace = Pace(perSecond: .max, total: Int64(tenants.count))
            var views: [View] = []
            for (done, tenant) in tenants.enumerated() {
                let plan = try await provisioner.plan(BusTenant(tenant))
                if !plan.isEmpty {
                    views.append(View(tenant: tenant.key.rawValue, virtual_host: tenant.virtualHost, changes: plan.changes))
                }
                try await pace.wait(after: Int64(done + 1))
            }
            pace.finish(Int64(tenants.count))
            for host in Set(tenants.map(\.virtualHost)).sorted() {
                let strangers = try await provisioner.strangers(
                    in: host, beside: tenants.filter { $0.virtualHost == host }.map { BusTenant($0) })
                if !strangers.isEmpty { views.append(View(tenant: nil, virtual_host: host, changes: strangers)) }
            }
            let tags = try await provisioner.needlessTags()
            if !tags.isEmpty { views.append(View(tenant: nil, virtual_host: nil, changes: tags)) }
            let text = views.map { view in
                let lines = view.changes.map { "  \($0)" }.joined(separator: "\n")
                guard let host = view.virtual_host else { return "The broker:\n\(lines)" }
                return "\(view.tenant ?? "All tenants") (virtual host \(host)):\n\(lines)"
            }
            try common.show(text: views.isEmpty ? "No drift in \(tenants.count) tenants." : text.joined(separator: "\n"), json: views)
            if !views.isEmpty { throw ExitCode(2) }
        }
    }
}

struct TenantSchema: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "The JSON Schema of a tenant's file, for editors.",
        discussion: "Example: bus311 tenant schema > docs/operators/tenant.schema.json")

    func run() { print(TenantFile.schema, terminator: "") }
}
