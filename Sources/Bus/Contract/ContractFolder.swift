import Crypto
import Foundation

/// Why a contract's folder cannot be read.
public enum ContractError: Error, Sendable, CustomStringConvertible {
    case missing(String)
    case unreadable(String)
    case unreadableTopology(String, why: String)
    case nothingPublished(String)
    case alreadyPublished(String)
    case notNewer(String, than: String)

    public var description: String {
        switch self {
        case .missing(let path): "\(path) holds no contract: no folder `schemas` with a folder for each type. Name another with --contract."
        case .unreadable(let path): "\(path) is no JSON Schema: it must be one JSON object in UTF-8."
        case .unreadableTopology(let path, let why): "\(path) is no AsyncAPI document that can be compared: \(why)."
        case .nothingPublished(let path): "\(path) holds nothing that was published. Name a folder with --against."
        case .alreadyPublished(let path): "\(path) is there already: what was published never changes. Choose another name."
        case .notNewer(let name, let last):
            "\(name) would not come behind \(last), and what is compared with is the last in order: choose a name that sorts behind it."
        }
    }
}

/// The schemas of a contract as they stand in a folder: `schemas/<type>/<major>.<minor>.json`. Strict forms for our own tests, which
/// end in `.producer.json`, are no part of what is published.
public struct ContractFolder: Sendable {
    public struct Version: Sendable, Comparable, CustomStringConvertible {
        public let major: Int
        public let minor: Int

        init?(parsing name: String) {
            let parts = name.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
            guard parts.count == 2, let major = parts[0], let minor = parts[1], major > 0, minor >= 0 else { return nil }
            self.major = major
            self.minor = minor
        }

        public var description: String { "\(major).\(minor)" }
        public static func < (left: Version, right: Version) -> Bool { (left.major, left.minor) < (right.major, right.minor) }
    }

    public let path: String
    /// By type, then by version.
    public let schemas: [String: [(version: Version, schema: BrokerValue)]]

    /// - Throws: ``ContractError``.
    public init(path: String) throws {
        self.path = path
        let root = URL(fileURLWithPath: path).appendingPathComponent("schemas")
        guard let types = try? FileManager.default.contentsOfDirectory(atPath: root.path), !types.isEmpty else {
            throw ContractError.missing(path)
        }
        var schemas: [String: [(version: Version, schema: BrokerValue)]] = [:]
        for type in types.sorted() {
            let folder = root.appendingPathComponent(type)
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
            for name in names.sorted() where name.hasSuffix(".json") {
                guard let version = Version(parsing: String(name.dropLast(5))) else { continue }
                let file = folder.appendingPathComponent(name)
                guard let data = try? Data(contentsOf: file), let schema = try? JSONDecoder().decode(BrokerValue.self, from: data),
                    case .table = schema
                else { throw ContractError.unreadable(file.path) }
                schemas[type, default: []].append((version, schema))
            }
            schemas[type]?.sort { $0.version < $1.version }
        }
        guard !schemas.isEmpty else { throw ContractError.missing(path) }
        self.schemas = schemas
    }

    /// The newest of what was published beside this contract: the last in the order of names, which begin with a date.
    public static func lastPublished(of path: String) throws -> ContractFolder {
        let published = URL(fileURLWithPath: path).appendingPathComponent("published")
        guard let last = lastName(of: path) else { throw ContractError.nothingPublished(published.path) }
        return try ContractFolder(path: published.appendingPathComponent(last).path)
    }

    private static func lastName(of path: String) -> String? {
        let published = URL(fileURLWithPath: path).appendingPathComponent("published")
        return ((try? FileManager.default.contentsOfDirectory(atPath: published.path)) ?? []).filter { !$0.hasPrefix(".") }.max()
    }

    /// What breaks in this contract for those who rely on another one, earlier published.
    public func findings(against published: ContractFolder) -> [ContractFinding] {
        var findings: [ContractFinding] = []
        for (type, versions) in published.schemas.sorted(by: { $0.key < $1.key }) {
            guard let own = schemas[type] else {
                findings.append(
                    ContractFinding(
                        type: type, version: versions.last?.version.description ?? "", rule: .typeRemoved, path: "/",
                        why: "the whole type is gone: its last version stays published as long as anybody may rely on it"))
                continue
            }
            for (version, schema) in versions {
                guard let same = own.first(where: { $0.version == version }) else {
                    findings.append(
                        ContractFinding(
                            type: type, version: version.description, rule: .versionRemoved, path: "/",
                            why: "a published schema keeps its address for ever: put it back"))
                    continue
                }
                if same.schema != schema {
                    findings.append(
                        ContractFinding(
                            type: type, version: version.description, rule: .versionChanged, path: "/",
                            why: "a published version never changes: put it back, and write \(version.major).\(version.minor + 1) beside it"
                        ))
                }
            }
        }
        for (type, own) in schemas.sorted(by: { $0.key < $1.key }) {
            for major in Set(own.map(\.version.major)).sorted() {
                findings += Self.steps(
                    type, own.filter { $0.version.major == major }, (published.schemas[type] ?? []).filter { $0.version.major == major })
            }
        }
        return findings
    }

    /// Each minor version against the one before it, where one of the two was not published: what comes and goes between two publications
    /// would otherwise be seen by nobody. What was published is taken as it was.
    private static func steps(
        _ type: String, _ own: [(version: Version, schema: BrokerValue)], _ published: [(version: Version, schema: BrokerValue)]
    ) -> [ContractFinding] {
        func asPublished(_ version: Version) -> (version: Version, schema: BrokerValue)? { published.first { $0.version == version } }
        var findings: [ContractFinding] = []
        for (before, after) in zip(own, own.dropFirst()) {
            let (old, new) = (asPublished(before.version), asPublished(after.version))
            if old == nil || new == nil { findings += compare(type, old ?? before, new ?? after) }
        }
        // What the newest breaks when it was published, and changed since.
        if let newest = own.last, let old = asPublished(newest.version) { findings += compare(type, old, newest) }
        return findings
    }

    /// Whether a reference of the AsyncAPI document leads to a file of this contract.
    public func holds(_ reference: String) -> Bool {
        let file = reference.prefix { $0 != "#" }
        let parts = file.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else { return false }
        return FileManager.default.fileExists(atPath: URL(fileURLWithPath: path).appendingPathComponent(String(file)).path)
    }

    private static func compare(
        _ type: String, _ old: (version: Version, schema: BrokerValue), _ new: (version: Version, schema: BrokerValue)
    ) -> [ContractFinding] {
        let direction = Self.direction(of: old.schema)
        let version = old.version.description
        guard direction == Self.direction(of: new.schema) else {
            return [
                ContractFinding(
                    type: type, version: version, rule: .directionChanged, path: "/x-o311-direction", why: "who writes it never changes")
            ]
        }
        return SchemaComparison.findings(from: old.schema, to: new.schema, type: type, version: version, direction: direction)
    }

    private static func direction(of schema: BrokerValue) -> ContractDirection {
        if case .table(let members) = schema, members["x-o311-direction"] == "inbound" { .inbound } else { .outbound }
    }

    /// Types, majors and minors that the published contract has not.
    public func additions(to published: ContractFolder) -> [String] {
        schemas.sorted { $0.key < $1.key }.flatMap { type, versions in
            versions.filter { own in !(published.schemas[type] ?? []).contains { $0.version == own.version } }
                .map { "\(type) \($0.version)" }
        }
    }

    /// Whether something can be published under this name.
    ///
    /// - Throws: ``ContractError``.
    public func checkName(_ name: String) throws(ContractError) {
        let target = URL(fileURLWithPath: path).appendingPathComponent("published/\(name)")
        guard !FileManager.default.fileExists(atPath: target.path) else { throw .alreadyPublished(target.path) }
        if let last = Self.lastName(of: path), name < last { throw .notNewer(name, than: last) }
    }

    /// Keeps what vendors are given now under a name that never changes again, with the hashes of its files.
    ///
    /// - Parameter name: a date, as in `2026-11-25`.
    /// - Returns: the folder.
    /// - Throws: ``ContractError``.
    public func publish(as name: String) throws -> String {
        let target = URL(fileURLWithPath: path).appendingPathComponent("published/\(name)")
        try checkName(name)
        var files = schemas.flatMap { type, versions in versions.map { "schemas/\(type)/\($0.version).json" } }
        files.append("asyncapi.yaml")
        var sums = ""
        for file in files.sorted() {
            let data = try Data(contentsOf: URL(fileURLWithPath: path).appendingPathComponent(file))
            let copy = target.appendingPathComponent(file)
            try FileManager.default.createDirectory(at: copy.deletingLastPathComponent(), withIntermediateDirectories: true)
            try data.write(to: copy)
            // As sha256sum writes and checks it.
            sums += Self.hash(data) + "  \(file)\n"
        }
        try Data(sums.utf8).write(to: target.appendingPathComponent(Self.sums))
        return target.path
    }

    private static let sums = "SHA256SUMS"

    private static func hash(_ data: Data) -> String {
        SHA256.hash(data: data).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Where this folder is not what it was when it was published, by its own list of hashes: files that are changed, gone, or new.
    ///
    /// - Returns: nothing for a folder without such a list that stands among no publications: it was not published.
    public func changesSincePublication() -> [ContractFinding] {
        let root = URL(fileURLWithPath: path)
        guard let list = try? String(contentsOf: root.appendingPathComponent(Self.sums), encoding: .utf8) else {
            guard root.standardizedFileURL.deletingLastPathComponent().lastPathComponent == "published" else { return [] }
            return [
                ContractFinding(
                    type: Self.sums, version: "", rule: .publicationChanged, path: "/",
                    why: "\(path)/\(Self.sums) is gone, the list of what was published: put it back")
            ]
        }
        var listed: [String: String] = [:]
        for line in list.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            if parts.count == 2 { listed[parts[1].drop { $0 == " " || $0 == "*" }.description] = String(parts[0]) }
        }
        let found = (FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []).filter {
            $0.hasSuffix(".json") || $0.hasSuffix(".yaml")
        }
        return Set(found).union(listed.keys).sorted().compactMap { file in
            let data = try? Data(contentsOf: root.appendingPathComponent(file))
            let what: String
            switch (listed[file], data.map(Self.hash)) {
            case (nil, _): what = "was not there when this was published"
            case (_, nil): what = "is gone"
            case (let before, let now):
                if before == now { return nil }
                what = "is not what it was"
            }
            return ContractFinding(
                type: file, version: "", rule: .publicationChanged, path: "/",
                why: "\(file) \(what), by \(path)/\(Self.sums): what was published never changes; put it back")
        }
    }
}
