import Foundation
import Testing

/// The table of docs/architecture.md: who may import whom. Whoever wants another arrow changes it there and here, with a reason.
private let mayImport: [String: Set<String>] = [
    "CLibpq": [], "CRabbitMQ": [], "CCurl": [], "CZlib": [], "CYaml": [],
    "ConnectionThread": [],
    "Postgres": ["CLibpq", "ConnectionThread"],
    "AMQP": ["CRabbitMQ", "ConnectionThread"],
    "Curl": ["CCurl", "ConnectionThread"],
    "Open311": [],
    "TenantFiles": ["CYaml", "Open311"],
    "Storage": ["Open311", "Postgres", "Curl"],
    "Bus": ["Open311", "Storage", "AMQP", "Curl", "Postgres"],
    "API": ["Open311", "Storage", "CZlib"],
    "Operations": ["Open311", "Storage", "Bus", "Curl"],
    "PrivateServers": [],
]

private let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

private func swiftFiles(under folder: String) -> [URL] {
    let root = repository.appendingPathComponent(folder)
    guard let files = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil) else { return [] }
    return files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
}

@Suite("The house")
struct ImportTests {
    @Test("no module imports what the table does not allow", arguments: mayImport.keys.sorted())
    func importsStayInTheTable(module: String) throws {
        for file in swiftFiles(under: "Sources/\(module)") {
            for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
                let words = line.split(separator: " ")
                guard let position = words.firstIndex(of: "import"), position <= 1, position + 1 < words.count else { continue }
                let imported = String(words[position + 1])
                guard mayImport[imported] != nil else { continue }
                #expect(mayImport[module]?.contains(imported) == true, "\(file.lastPathComponent) imports \(imported)")
            }
        }
    }

    @Test("every folder of Sources is in the table, apart from those that compose")
    func everyModuleIsKnown() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: repository.appendingPathComponent("Sources").path)
        #expect(Set(folders).subtracting(["bus311", "TestSupport"]) == Set(mayImport.keys))
    }

    @Test("SQL stands in Storage and in migrations only")
    func sqlStaysInStorage() throws {
        for module in mayImport.keys where module != "Storage" {
            for file in swiftFiles(under: "Sources/\(module)") {
                let text = try String(contentsOf: file, encoding: .utf8).lowercased()
                for phrase in ["\"select ", "insert into ", "delete from ", "\"update "] {
                    #expect(!text.contains(phrase), "\(file.lastPathComponent) holds SQL: \(phrase)")
                }
            }
        }
    }

    @Test("a metric's text stands once: two of a name would end every service at its first scrape")
    func metricsAreNamedOnce() throws {
        let file = repository.appendingPathComponent("Sources/bus311/Metrics/MetricFamily.swift")
        let names = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").compactMap { line in
            line.trimmingCharacters(in: .whitespaces).hasPrefix("\"o311_") ? line.split(separator: "\"").dropFirst().first : nil
        }
        #expect(names.count > 40)
        #expect(Set(names).count == names.count, "\(Dictionary(grouping: names) { $0 }.filter { $1.count > 1 }.keys)")
    }
}
