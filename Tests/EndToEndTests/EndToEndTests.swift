import Foundation
import TestSupport
import Testing

/// The scripts beside this file, each with a city of its own: real sockets, real servers, clients that nobody here wrote.
@Suite("End to end", .serialized)
struct EndToEndTests {
    @Test("a request goes from a citizen's app to a CRM and its status comes back")
    func journey() throws { try run("journey.py") }

    /// Ends with the script's own exit code; what it printed is in the test's output.
    private func run(_ script: String) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Scripts")
        let process = Process()
        let environment = ProcessInfo.processInfo.environment
        process.executableURL = URL(fileURLWithPath: environment["BUS311_TEST_PYTHON"] ?? "/usr/bin/python3")
        process.arguments = [folder.appendingPathComponent(script).path]
        process.currentDirectoryURL = folder
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(script) failed: see its output above")
    }
}
