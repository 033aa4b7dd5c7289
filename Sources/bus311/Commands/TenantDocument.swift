import ArgumentParser
import Foundation
import Open311
import Storage
import TenantFiles

/// A tenant's file with the files it names, read and checked, and the tenant that it is about.
struct TenantDocument {
    /// As a message calls it.
    let path: String
    let file: TenantFile
    let boundary: DeclaredPart<Boundary?>
    let catalogue: DeclaredPart<[Service]>
    let templates: DeclaredPart<[DeclaredTemplate]>
    /// What the catalogue lacks without being wrong.
    let advice: [CatalogueFinding]

    /// - Throws: every fault, each with its line; nothing is changed by reading.
    init(path: String) throws {
        self.path = path
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ValidationError("\(path) cannot be read: check the path given with -f, and its rights.")
        }
        do throws(TenantFileFaults) {
            file = try TenantFile(parsing: Array(data))
        } catch {
            throw Self.refusal(path, error.faults)
        }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        var faults: [TenantFileFault] = []
        boundary = Self.boundary(file, folder, &faults)
        var advice: [CatalogueFinding] = []
        catalogue = Self.catalogue(file, folder, &faults, &advice)
        self.advice = advice
        templates = Self.templates(file, folder, &faults)
        guard faults.isEmpty else { throw Self.refusal(path, faults) }
    }

    static func refusal(_ path: String, _ faults: [TenantFileFault]) -> ValidationError {
        let lines = faults.sorted { $0.line < $1.line }.map { "\(path): \($0)" }
        return ValidationError(
            "\(path) has \(faults.count) fault\(faults.count == 1 ? "" : "s"); nothing was changed:\n" + lines.joined(separator: "\n"))
    }

    private static func boundary(_ file: TenantFile, _ folder: URL, _ faults: inout [TenantFileFault]) -> DeclaredPart<Boundary?> {
        switch file.boundary {
        case .asStored: return .keep
        case .none: return .set(nil)
        case .file(let name):
            guard let data = try? Data(contentsOf: URL(fileURLWithPath: name, relativeTo: folder)) else {
                faults.append(
                    file.fault(at: "policies.boundary", "the file \(name) cannot be read; its path is relative to this file's folder"))
                return .keep
            }
            do throws(InvalidValue) { return .set(try BoundaryJSON.boundary(Array(data))) } catch {
                faults.append(file.fault(at: "policies.boundary", "\(name): \(error)"))
                return .keep
            }
        }
    }

    private static func catalogue(
        _ file: TenantFile, _ folder: URL, _ faults: inout [TenantFileFault], _ advice: inout [CatalogueFinding]
    ) -> DeclaredPart<[Service]> {
        guard let name = file.catalogue else { return .keep }
        let path = URL(fileURLWithPath: name, relativeTo: folder).path
        guard FileManager.default.isReadableFile(atPath: path) else {
            faults.append(file.fault(at: "catalogue", "the file \(name) cannot be read; its path is relative to this file's folder"))
            return .keep
        }
        do {
            let languages = [file.declaration.language] + file.declaration.fallbackLanguages
            let services = try CatalogueFile.services(at: path, languages: languages)
            advice = CatalogueCheck.findings(services, languages: languages)
            return .set(services)
        } catch let wrong as ReferenceFaults {
            faults += CatalogueFile.lines(wrong).map { file.fault(at: "catalogue", "\(name): \($0)") }
            return .keep
        } catch {
            faults.append(file.fault(at: "catalogue", "\(error)"))
            return .keep
        }
    }

    private static func templates(
        _ file: TenantFile, _ folder: URL, _ faults: inout [TenantFileFault]
    ) -> DeclaredPart<[DeclaredTemplate]> {
        guard let named = file.notices.templates else { return .keep }
        var templates: [DeclaredTemplate] = []
        for (index, one) in named.enumerated() {
            let place = "notices.templates.\(index)"
            guard let data = try? Data(contentsOf: URL(fileURLWithPath: one.file, relativeTo: folder)), data.count <= 65_536 else {
                faults.append(
                    file.fault(
                        at: place,
                        "the file \(one.file) cannot be read, or is larger than 64 kB; its path is relative to this file's folder"))
                continue
            }
            guard let text = String(bytes: data, encoding: .utf8) else {
                faults.append(file.fault(at: place, "\(one.file) is not UTF-8"))
                continue
            }
            do throws(InvalidValue) {
                templates.append(DeclaredTemplate(kind: one.kind, language: one.language, template: try NoticeTemplate(file: text)))
            } catch {
                faults.append(file.fault(at: place, "\(one.file): \(error)"))
            }
        }
        return .set(templates)
    }

    // MARK: Against the database

    /// The tenant that the file is about.
    enum Subject {
        case new(TenantKey)
        /// It has no key yet: six digits are drawn when it is made.
        case newOfStem(String)
        case existing(Tenant)
    }

    /// - Throws: faults that only show beside the other tenants: a key that was one before, a jurisdiction of somebody else, a move.
    func subject(in administration: Administration) async throws -> Subject {
        let tenants = try await administration.store.tenants()
        let own: Tenant?
        let subject: Subject
        switch file.tenant {
        case .key(let key):
            own = tenants.first { $0.key == key }
            if own == nil, let closed = try await administration.store.closingMoment(of: key) {
                throw Self.refusal(
                    path, [file.fault(at: "tenant", "\(key) was closed at \(closed.iso8601), and a key is never given again")])
            }
            subject = own.map { .existing($0) } ?? .new(key)
        case .stem(let stem):
            let named = tenants.filter { $0.key.rawValue.hasPrefix(stem + "-") && $0.key.rawValue.utf8.count == stem.utf8.count + 7 }
            guard named.count <= 1 else {
                let keys = named.map(\.key.rawValue).joined(separator: ", ")
                throw Self.refusal(path, [file.fault(at: "tenant", "\(named.count) tenants begin so: write the whole key, \(keys)")])
            }
            own = named.first
            subject = own.map { .existing($0) } ?? .newOfStem(stem)
        }
        if let own { AdministrationTrail.current?.note(own.id) }
        try check(own, among: tenants)
        return subject
    }

    private func check(_ own: Tenant?, among tenants: [Tenant]) throws {
        var faults: [TenantFileFault] = []
        for jurisdiction in file.declaration.jurisdictions {
            if let other = tenants.first(where: { $0.key != own?.key && $0.jurisdictions.contains(jurisdiction) }) {
                faults.append(file.fault(at: "jurisdictions", "\(jurisdiction) belongs to \(other.key)"))
            }
        }
        if let own, own.virtualHost != file.declaration.virtualHost {
            faults.append(
                file.fault(
                    at: "virtual_host",
                    "\(own.key) lives in \(own.virtualHost), and a tenant's virtual host cannot be changed here: its messages would stay behind"
                ))
        }
        guard faults.isEmpty else { throw Self.refusal(path, faults) }
    }

    /// What of the record is not as the file says.
    func differences(from tenant: Tenant, _ administration: Administration) async throws -> [TenantDifference] {
        var stored = TenantFile(
            tenant: .key(tenant.key),
            declaration: TenantDeclaration(tenant, contacts: try await administration.store.contacts(of: tenant.id)))
        stored.notices = DeclaredNotices(try await administration.store.noticePolicy(of: tenant.id))
        var found = file.differences(from: stored)
        if case .set(let templates) = templates {
            let known = try await administration.store.noticeTemplates(of: tenant.id).map(DeclaredTemplate.init)
            if Set(known) != Set(templates) {
                func name(_ one: DeclaredTemplate) -> String { "\(one.kind.rawValue) \(one.language)" }
                let changed = templates.filter { !known.contains($0) }.map(name)
                let removed = known.map(name).filter { one in !templates.contains { name($0) == one } }
                let words = [("new or changed", changed), ("removed", removed)].filter { !$0.1.isEmpty }.map {
                    "\($0.0) \($0.1.joined(separator: ", "))"
                }
                found.append(
                    TenantDifference(
                        path: "notices.templates", found: "\(known.count) templates",
                        wanted: "\(templates.count) templates (\(words.joined(separator: "; ")))"))
            }
        }
        if case .set(let boundary) = boundary, boundary != tenant.policies.boundary {
            func said(_ boundary: Boundary?) -> String { boundary.map { "\($0.polygons.joined().joined().count) positions" } ?? "none" }
            let (old, new) = (said(tenant.policies.boundary), said(boundary))
            found.append(TenantDifference(path: "policies.boundary", found: old, wanted: old == new ? new + ", others" : new))
        }
        if case .set(let services) = catalogue {
            let known = try await administration.store.services(of: tenant.id)
            if known != services {
                let changed = services.filter { !known.contains($0) }.map(\.code.rawValue)
                let retired = known.map(\.code.rawValue).filter { code in !services.contains { $0.code.rawValue == code } }
                let words = [("new or changed", changed), ("retired", retired)].filter { !$0.1.isEmpty }.map {
                    "\($0.0) \($0.1.joined(separator: ", "))"
                }
                found.append(
                    TenantDifference(
                        path: "catalogue", found: "\(known.count) services",
                        wanted: "\(services.count) services (\(words.isEmpty ? "in another order" : words.joined(separator: "; ")))"))
            }
        }
        return found
    }
}
