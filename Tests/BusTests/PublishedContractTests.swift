import Bus
import Crypto
import Foundation
import Testing

@Suite("The published contract")
struct PublishedContractTests {
    private static let folder = URL(filePath: #filePath).appending(path: "../../../docs/contract").standardizedFileURL

    private static var publications: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "published").path)) ?? []).sorted()
    }

    @Test("is not broken by the one in this repository: what differs must be taken back, or become a new version")
    func isKept() throws {
        let own = try ContractFolder(path: Self.folder.path)
        for finding in own.findings(against: try ContractFolder.lastPublished(of: Self.folder.path)) {
            Issue.record("\(finding.type) \(finding.version) \(finding.rule.rawValue) \(finding.path): \(finding.why)")
        }
    }

    @Test("never changes: every file has the hash it was published with, and there is none besides", arguments: publications)
    func isImmutable(name: String) throws {
        let root = Self.folder.appending(path: "published/\(name)")
        let sums = try String(contentsOf: root.appending(path: "SHA256SUMS"), encoding: .utf8).split(separator: "\n")
        #expect(!sums.isEmpty)
        var listed: Set<String> = []
        for line in sums {
            let parts = line.components(separatedBy: "  ")
            let hash = SHA256.hash(data: try Data(contentsOf: root.appending(path: parts[1])))
            #expect(hash.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == parts[0], "\(parts[1]) of \(name) was changed")
            listed.insert(parts[1])
        }
        let files = (FileManager.default.enumerator(atPath: root.path)?.compactMap { $0 as? String } ?? []).filter {
            $0.hasSuffix(".json") || $0.hasSuffix(".yaml")
        }
        #expect(Set(files) == listed)
    }

    @Test("was never broken by the publication that followed it")
    func isFollowed() throws {
        let root = Self.folder.appending(path: "published")
        for (before, after) in zip(Self.publications, Self.publications.dropFirst()) {
            let (old, new) = try (
                ContractFolder(path: root.appending(path: before).path), ContractFolder(path: root.appending(path: after).path)
            )
            #expect(new.findings(against: old).isEmpty, "\(before) to \(after)")
        }
    }

    /// What the hashes of each publication are kept by: a file with its hash can be changed together, this table cannot unnoticed.
    @Test("has the hashes that it was published with")
    func sumsAreKept() throws {
        for name in Self.publications {
            let sums = try Data(contentsOf: Self.folder.appending(path: "published/\(name)/SHA256SUMS"))
            let digest = SHA256.hash(data: sums).prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            #expect(Self.known[name] == digest, "\(name) is published with \(digest): add it to this table, once and for all")
        }
        #expect(Set(Self.known.keys) == Set(Self.publications))
    }

    private static let known = [
        "2026-11-25": "ab8c9cd817ec8c06", "2026-11-26": "e04a4e02c39d2753", "2026-11-27": "eaa9c20a2f5c0f8c",
    ]

    // MARK: The check itself

    private struct Copy {
        let path: URL

        init() throws {
            path = FileManager.default.temporaryDirectory.appending(path: "bus311-contract-\(UUID().uuidString)")
            try FileManager.default.copyItem(at: PublishedContractTests.folder, to: path)
        }

        func remove() { try? FileManager.default.removeItem(at: path) }

        func edit(_ file: String, _ old: String, _ new: String) throws {
            let file = path.appending(path: file)
            let text = try String(contentsOf: file, encoding: .utf8)
            #expect(text.contains(old))
            try Data(text.replacing(old, with: new).utf8).write(to: file)
        }

        func rules() throws -> Set<ContractFinding.Rule> {
            Set(try ContractFolder(path: path.path).findings(against: .lastPublished(of: path.path)).map(\.rule))
        }
    }

    @Test("a changed version, a version or a type that is gone, another direction: all refused; a new minor is welcome")
    func folders() throws {
        let copy = try Copy()
        defer { copy.remove() }
        let erased = copy.path.appending(path: "schemas/service_request.erased")
        #expect(try copy.rules() == [])
        try FileManager.default.copyItem(at: erased.appending(path: "1.0.json"), to: erased.appending(path: "1.1.json"))
        try copy.edit("schemas/service_request.erased/1.1.json", #""maxLength": 64"#, #""maxLength": 32"#)
        #expect(try copy.rules() == [])
        let own = try ContractFolder(path: copy.path.path)
        #expect(own.additions(to: try .lastPublished(of: copy.path.path)).contains("service_request.erased 1.1"))
        try copy.edit("schemas/service_request.erased/1.1.json", #""reason""#, #""cause""#)
        #expect(try copy.rules() == [.propertyRemoved, .requiredRemoved])
        try FileManager.default.removeItem(at: erased.appending(path: "1.1.json"))
        try copy.edit("schemas/bus.ping/1.0.json", "To find this ping in logs.", "Other words.")
        #expect(try copy.rules() == [.versionChanged])
        for minor in ["1.1", "1.2"] {
            try copy.edit(
                "schemas/status_update/\(minor).json", #""x-o311-direction": "inbound""#, #""x-o311-direction": "outbound""#)
        }
        #expect(try copy.rules() == [.versionChanged, .directionChanged])
        try FileManager.default.removeItem(at: copy.path.appending(path: "schemas/service_request.updated/2.0.json"))
        try FileManager.default.removeItem(at: copy.path.appending(path: "schemas/bus.ping"))
        #expect(try copy.rules() == [.versionChanged, .directionChanged, .versionRemoved, .typeRemoved])
        try Data("[]".utf8).write(to: erased.appending(path: "1.0.json"))
        #expect(throws: ContractError.self) { try ContractFolder(path: copy.path.path) }
        #expect(throws: ContractError.self) { try ContractFolder(path: "/nowhere") }
    }

    @Test("every minor that is not published yet is held against the one before it, of types and majors that are new as well")
    func everyStep() throws {
        let copy = try Copy()
        defer { copy.remove() }
        let erased = copy.path.appending(path: "schemas/service_request.erased")
        for minor in ["1.1", "1.2"] {
            try FileManager.default.copyItem(at: erased.appending(path: "1.0.json"), to: erased.appending(path: "\(minor).json"))
        }
        #expect(try copy.rules() == [])
        // Taken away in between and put back: the last equals the first.
        try copy.edit("schemas/service_request.erased/1.1.json", #""reason""#, #""cause""#)
        #expect(try copy.rules() == [.propertyRemoved, .requiredRemoved])
        try FileManager.default.removeItem(at: erased.appending(path: "1.1.json"))
        #expect(try copy.rules() == [])
        for name in ["service_request.erased/3.0.json", "service_request.erased/3.1.json", "new.type/1.0.json", "new.type/1.1.json"] {
            let file = copy.path.appending(path: "schemas/\(name)")
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try FileManager.default.copyItem(at: erased.appending(path: "1.0.json"), to: file)
        }
        #expect(try copy.rules() == [])
        for name in ["service_request.erased/3.1.json", "new.type/1.1.json"] {
            try copy.edit("schemas/\(name)", #""maxLength": 64"#, #""maxLength": 65"#)
        }
        let found = try ContractFolder(path: copy.path.path).findings(against: .lastPublished(of: copy.path.path))
        #expect(
            Set(found.map { "\($0.type) \($0.version) \($0.rule.rawValue)" }) == [
                "new.type 1.0 bound-changed", "service_request.erased 3.0 bound-changed",
            ])
        let own = try ContractFolder(path: copy.path.path)
        #expect(own.holds("schemas/new.type/1.1.json") && own.holds("schemas/new.type/1.1.json#/properties"))
        for nowhere in ["schemas/new.type/1.2.json", "../asyncapi.yaml", "/etc/passwd", ""] { #expect(!own.holds(nowhere), "\(nowhere)") }
    }

    @Test("a publication holds what vendors are given, and is made once")
    func publishing() throws {
        let copy = try Copy()
        defer { copy.remove() }
        let own = try ContractFolder(path: copy.path.path)
        let made = try own.publish(as: "2099-01-01")
        #expect(try ContractFolder.lastPublished(of: copy.path.path).path == made)
        #expect(try copy.rules() == [])
        #expect(throws: ContractError.self) { try own.publish(as: "2099-01-01") }
        #expect(throws: ContractError.self, "it would never be compared with") { try own.publish(as: "2098-12-31") }
        #expect(!FileManager.default.fileExists(atPath: copy.path.appending(path: "published/2098-12-31").path))
    }

    @Test("what was changed, taken out of or put into a publication is noticed by its hashes")
    func tampering() throws {
        let copy = try Copy()
        defer { copy.remove() }
        func changes() throws -> [String] {
            try ContractFolder.lastPublished(of: copy.path.path).changesSincePublication().map { "\($0.rule.rawValue) \($0.type)" }
        }
        let last = try #require(Self.publications.last)
        #expect(try changes() == [])
        let sums = copy.path.appending(path: "published/\(last)/SHA256SUMS")
        let kept = try Data(contentsOf: sums)
        try FileManager.default.removeItem(at: sums)
        #expect(try changes() == ["publication-changed SHA256SUMS"])
        try kept.write(to: sums)
        try copy.edit("published/\(last)/asyncapi.yaml", "overflow: reject-publish", "overflow: drop-head")
        #expect(try changes() == ["publication-changed asyncapi.yaml"])
        let schemas = copy.path.appending(path: "published/\(last)/schemas/bus.ping")
        try FileManager.default.copyItem(at: schemas.appending(path: "1.0.json"), to: schemas.appending(path: "1.1.json"))
        try FileManager.default.removeItem(at: schemas.appending(path: "1.0.json"))
        #expect(
            try changes() == [
                "publication-changed asyncapi.yaml", "publication-changed schemas/bus.ping/1.0.json",
                "publication-changed schemas/bus.ping/1.1.json",
            ])
        #expect(try ContractFolder(path: copy.path.path).changesSincePublication() == [], "what was never published may change")
    }
}
