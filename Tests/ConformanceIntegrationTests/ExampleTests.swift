import Foundation
import Open311
import Storage
import TestSupport
import Testing

@Suite("The examples for apps")
struct ExampleTests {
    private static let folder = TestDatabase.repository.appendingPathComponent("examples/apps")

    /// Programs of the PATH, by the first name that is there.
    private func program(_ name: String) throws -> String {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        let found = folders.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
        return try #require(found, "\(name) is not in PATH")
    }

    /// Runs an example to its end: it reports, we close, it says so.
    private func follow(_ run: @escaping @Sendable ([String]) async throws -> String) async throws {
        let gateway = try await GatewayUnderTest.shared()
        let description = "Exemple \(UUID().uuidString)"
        let arguments = [gateway.cityA.base, gateway.cityA.key, description, "0.2"]
        async let printed = run(arguments)
        let id = try await gateway.request(describedAs: description)
        let close = StatusUpdate(
            id: "example",
            occurredAt: .now,
            status: .general(.closed),
            statusNotes: "Réparé",
            agencyResponsible: nil,
            expectedAt: nil,
            serviceNotice: nil,
            externalReference: nil
        )
        _ = try await gateway.updates.apply(close, to: id, of: gateway.cityA.tenant.id)
        #expect(try await printed.contains("reported: \(id)\nclosed: Réparé"))
    }

    @Test("curl reports and follows")
    func shell() async throws {
        try await follow { try await Program.run("/bin/bash", [Self.folder.appendingPathComponent("report.sh").path] + $0) }
    }

    @Test("Python reports and follows")
    func python() async throws {
        try await follow { try await PythonScript.run(at: Self.folder.appendingPathComponent("report.py"), $0) }
    }

    @Test("Swift reports and follows")
    func swift() async throws {
        let built = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-report-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: built) }
        try await Program.run(
            try program("swiftc"),
            [Self.folder.appendingPathComponent("report.swift").path, "-o", built.path]
        )
        try await follow { try await Program.run(built.path, $0) }
    }

    @Test("JavaScript reports and follows", .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/node")))
    func javaScript() async throws {
        try await follow { try await Program.run("/usr/bin/node", [Self.folder.appendingPathComponent("report.mjs").path] + $0) }
    }
}
