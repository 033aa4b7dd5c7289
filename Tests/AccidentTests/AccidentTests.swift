import Foundation
import TestSupport
import Testing

/// The scripts of the end-to-end tests, each with a city of its own: real sockets, real servers, clients that nobody here wrote.
@Suite("Accidents under load", .serialized)
struct AccidentTests {
    @Test("whatever is killed, frozen, blocked or deleted, nothing answered is lost")
    func nothingIsLost() throws { try run("accidents.py") }

    /// Ends with the script's own exit code; what it printed is in the test's output.
    private func run(_ script: String) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("EndToEndTests/Scripts")
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
