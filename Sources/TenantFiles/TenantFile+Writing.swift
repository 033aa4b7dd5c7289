import Open311

extension TenantFile {
    /// The file as it is written to disk; reading it gives the same tenant.
    public var yaml: String {
        var lines = ["# yaml-language-server: $schema=https://schemas.bus311.org/tenant.schema.json"]
        var open: [Substring] = []
        for field in TenantFileField.all {
            guard let value = field.value(self) else { continue }
            let names = field.path.split(separator: ".")
            let parents = names.dropLast()
            let common = zip(parents, open).prefix { $0 == $1 }.count
            for (depth, name) in parents.enumerated().dropFirst(common) {
                lines.append(String(repeating: "  ", count: depth) + "\(name):")
            }
            open = Array(parents)
            lines.append(String(repeating: "  ", count: parents.count) + "\(names.last ?? ""): \(value.yaml)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What is not as this file says: one difference a field, in the file's order.
    ///
    /// - Parameter stored: the same tenant as the database has it. Territory, catalogue and words of notices are compared by whoever has
    ///   read the files they stand in.
    public func differences(from stored: TenantFile) -> [TenantDifference] {
        TenantFileField.all.compactMap { field in
            guard !["tenant", "policies.boundary", "catalogue", "notices.templates"].contains(field.path) else { return nil }
            if field.path.hasPrefix("notices."), notices.kinds == nil { return nil }
            let (wanted, found) = (field.value(self), field.value(stored))
            return wanted == found ? nil : TenantDifference(path: field.path, found: found?.yaml, wanted: wanted?.yaml)
        }
    }

    /// JSON Schema (2020-12) of such files, for editors.
    public static var schema: String {
        let head: [FileValue.Member] = [
            .init("$schema", .text("https://json-schema.org/draft/2020-12/schema")),
            .init("$id", .text("https://schemas.bus311.org/tenant.schema.json")), .init("title", .text("A tenant of Bus311")),
        ]
        return FileValue.object(head + object(TenantFileField.all, prefix: "")).prettyJSON() + "\n"
    }

    private static func object(_ fields: [TenantFileField], prefix: String) -> [FileValue.Member] {
        var names: [String] = []
        for field in fields {
            let name = field.path.dropFirst(prefix.count).split(separator: ".").first.map(String.init) ?? ""
            if !names.contains(name) { names.append(name) }
        }
        let properties = names.map { name -> FileValue.Member in
            if let leaf = fields.first(where: { $0.path == prefix + name }) {
                return .init(name, .object([.init("description", .text(leaf.summary))] + leaf.schema))
            }
            let inner = prefix + name + "."
            return .init(name, .object(object(fields.filter { $0.path.hasPrefix(inner) }, prefix: inner)))
        }
        let required = fields.filter { $0.isRequired && $0.path.dropFirst(prefix.count).firstIndex(of: ".") == nil }
        return [.init("type", .text("object")), .init("additionalProperties", .flag(false))]
            + (required.isEmpty ? [] : [.init("required", .list(required.map { .text(String($0.path.dropFirst(prefix.count))) }))])
            + [.init("properties", .object(properties))]
    }
}

/// One field that is stored otherwise than the file says.
public struct TenantDifference: Sendable, Equatable, Encodable, CustomStringConvertible {
    public let path: String
    /// Nil when there is none.
    public let found: String?
    public let wanted: String?

    public init(path: String, found: String?, wanted: String?) {
        self.path = path
        self.found = found
        self.wanted = wanted
    }

    public var description: String { "~ \(path) is \(found ?? "absent"), wanted \(wanted ?? "none")" }
}
