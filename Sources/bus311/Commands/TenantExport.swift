import ArgumentParser
import Foundation
import Open311
import Storage
import TenantFiles

struct TenantExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write an existing tenant as a file; a plan of that file is empty.",
        discussion: """
            Catalogue and territory are large: with --folder they are written beside the file, which names them; without, the file leaves
            them as they are. Examples: bus311 tenant export valmont-7f3a9c > tenant.yaml
                                        bus311 tenant export valmont-7f3a9c --folder valmont
            """)
    @OptionGroup var common: CommonOptions
    @Argument var tenant: String
    @Option(help: "Write tenant.yaml, catalogue.json, boundary.geojson and the words of notices into this folder.") var folder: String?

    func run() async throws {
        try await common.administer { administration in
            let tenant = try await administration.tenant(tenant)
            guard let folder else { return print(try await Self.file(of: tenant, administration).yaml, terminator: "") }
            let written = try await Self.write(tenant, into: URL(fileURLWithPath: folder), administration)
            try common.show(text: written.map { "\(folder)/\($0)" }.joined(separator: "\n"), json: written)
        }
    }

    static func file(of tenant: Tenant, _ administration: Administration) async throws -> TenantFile {
        var file = TenantFile(
            tenant: .key(tenant.key),
            declaration: TenantDeclaration(tenant, contacts: try await administration.store.contacts(of: tenant.id)),
            boundary: tenant.policies.boundary == nil ? .none : .asStored)
        file.notices = DeclaredNotices(try await administration.store.noticePolicy(of: tenant.id))
        return file
    }

    /// - Returns: the names of the files written.
    static func write(_ tenant: Tenant, into folder: URL, _ administration: Administration) async throws -> [String] {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var file = try await file(of: tenant, administration)
        var names = ["tenant.yaml"]
        let services = try await administration.store.services(of: tenant.id)
        file.catalogue = "catalogue.json"
        names.append("catalogue.json")
        try CatalogueFile.data(services).write(to: folder.appendingPathComponent("catalogue.json"), options: .atomic)
        if let boundary = tenant.policies.boundary {
            file.boundary = .file("boundary.geojson")
            names.append("boundary.geojson")
            try Data(BoundaryJSON.bytes(boundary)).write(to: folder.appendingPathComponent("boundary.geojson"), options: .atomic)
        }
        file.notices.templates = []
        for one in try await administration.store.noticeTemplates(of: tenant.id) {
            let name = "notice-\(one.kind.rawValue)-\(one.language).txt"
            names.append(name)
            file.notices.templates?.append(DeclaredNotices.Template(kind: one.kind, language: one.language, file: name))
            try Data("Subject: \(one.template.subject)\n\n\(one.template.body)".utf8).write(
                to: folder.appendingPathComponent(name), options: .atomic)
        }
        try Data(file.yaml.utf8).write(to: folder.appendingPathComponent("tenant.yaml"), options: .atomic)
        return names
    }
}
