import Foundation
import Open311
import Storage

/// Writes everything that is held of a tenant into a folder. Run again, it begins anew: what is there is replaced file by file.
struct TenantDataExport {
    let tenant: Tenant
    let folder: ExportFolder
    let administration: Administration
    /// Where photos are stored; nil when none are taken.
    let media: (any MediaStore)?

    func run() async throws -> ExportFolder.Manifest {
        let store = administration.store
        let begun = Timestamp.now
        let (total, state) = try await store.exportState(of: tenant.id)
        let requests = try folder.lines("requests.jsonl")
        let details: [ExportedDetail.Kind: ExportFolder.LineFile] = [
            .status: try folder.lines("statuses.jsonl"), .update: try folder.lines("citizen-updates.jsonl"),
            .photo: try folder.lines("photos.jsonl"),
        ]
        var files: [String] = []
        var missing = 0
        let pace = Pace(perSecond: .max, total: total)
        var cursor: ExportCursor? = .beginning
        while let place = cursor {
            let page = try await store.exportPage(of: tenant.id, after: place)
            try requests.append(page.requests)
            for detail in page.details {
                guard detail.kind == .photo else {
                    try details[detail.kind]?.append([detail.line])
                    continue
                }
                let name = try await photo(detail)
                if let name, !files.contains(name) { files.append(name) }
                if detail.file != nil, name == nil { missing += 1 }
                try details[.photo]?.append(["{\"file\": \(name.map { "\"\($0)\"" } ?? "null"), \"photo\": \(detail.line)}"])
            }
            cursor = page.next
            try await pace.wait(after: Int64(requests.count))
        }
        pace.finish(Int64(requests.count))
        let actions = try folder.lines("operator-actions.jsonl")
        try actions.append(try await store.operatorActions(of: tenant.id))
        for file in [requests, actions] + details.values { try file.finish() }
        let configuration = try await TenantExport.write(tenant, into: folder.url, administration)
        let names =
            ["requests.jsonl", "statuses.jsonl", "citizen-updates.jsonl", "photos.jsonl", "operator-actions.jsonl"] + configuration + files
        let manifest = ExportFolder.Manifest(
            tenant: tenant.key.rawValue, name: tenant.name, exported_at: begun.iso8601, state: state,
            counts: [
                "requests": requests.count, "statuses": details[.status]?.count ?? 0, "citizen_updates": details[.update]?.count ?? 0,
                "photos": details[.photo]?.count ?? 0, "photo_files": files.count, "photo_files_missing": missing,
                "operator_actions": actions.count, "services": try await store.services(of: tenant.id).count,
            ],
            files: try names.map(folder.describe))
        try folder.write(manifest)
        return manifest
    }

    /// Copies a photo's file.
    ///
    /// - Returns: its name in the folder; nil when there is none to copy.
    private func photo(_ detail: ExportedDetail) async throws -> String? {
        guard let media, let file = detail.file else { return nil }
        let key = MediaKey(tenant: tenant.key, kind: file.kind, name: file.name)
        guard let size = try await media.size(of: key) else { return nil }
        let name = "photos/\(file.name)" + (file.kind == .cleaned ? ".jpg" : "")
        let target = folder.url.appendingPathComponent(name)
        let manager = FileManager.default
        if (try? manager.attributesOfItem(atPath: target.path)[.size] as? Int) == size { return name }
        try manager.createDirectory(
            at: target.deletingLastPathComponent(), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let part = target.path + ".part"
        _ = manager.createFile(atPath: part, contents: nil, attributes: [.posixPermissions: 0o600])
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: part))
        var offset = 0
        while offset < size {
            let bytes = try await media.read(key, offset..<min(size, offset + media.readBytes))
            guard !bytes.isEmpty else { break }
            try handle.write(contentsOf: Data(bytes))
            offset += bytes.count
        }
        try handle.close()
        guard offset == size, rename(part, target.path) == 0 else { return nil }
        return name
    }
}
