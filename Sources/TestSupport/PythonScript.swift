import Foundation

/// The scripts of the end-to-end tests: each starts a city of its own and prints what it finds.
public enum PythonScript {
    private static let folder = TestDatabase.repository.appendingPathComponent("Tests/EndToEndTests/Scripts")

    /// Runs a script to its end, its output in ours.
    ///
    /// - Parameters:
    ///   - name: a file of `Tests/EndToEndTests/Scripts`.
    ///   - arguments: what follows it on the command line.
    /// - Returns: its exit code; 0 means that every assertion held.
    /// - Throws: when Python itself cannot be started; `BUS311_TEST_PYTHON` names the one to use.
    public static func run(_ name: String, _ arguments: String...) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: ProcessInfo.processInfo.environment["BUS311_TEST_PYTHON"] ?? "/usr/bin/python3")
        process.arguments = [folder.appendingPathComponent(name).path] + arguments
        process.currentDirectoryURL = folder
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Runs a script that asks a server of this very process.
    ///
    /// - Returns: what it printed.
    /// - Throws: ``Program/Failure`` unless its exit code is 0.
    @discardableResult
    public static func run(at file: URL, _ arguments: [String]) async throws -> String {
        try await Program.run(ProcessInfo.processInfo.environment["BUS311_TEST_PYTHON"] ?? "/usr/bin/python3", [file.path] + arguments)
    }
}
