import Foundation

/// The scripts of the end-to-end tests: each starts a city of its own and prints what it finds.
public enum PythonScript {
    private static let folder = TestDatabase.repository.appendingPathComponent("Tests/EndToEndTests/Scripts")

    /// Two cities at a time: starting one waits more than it works, and three would starve each other on two cores.
    private static let places = DispatchSemaphore(value: 2)

    /// Runs a script to its end; then what it said is printed in one piece, because another may run beside it. No more than two run
    /// at a time, whatever the number of cores.
    ///
    /// - Parameters:
    ///   - name: a file of `Tests/EndToEndTests/Scripts`.
    ///   - arguments: what follows it on the command line.
    /// - Returns: its exit code; 0 means that every assertion held.
    /// - Throws: when Python itself cannot be started; `BUS311_TEST_PYTHON` names the one to use.
    public static func run(_ name: String, _ arguments: String...) throws -> Int32 {
        places.wait()
        defer { places.signal() }
        let output = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-\(name)-\(UUID().uuidString).txt")
        guard FileManager.default.createFile(atPath: output.path, contents: nil) else { throw CocoaError(.fileWriteUnknown) }
        defer { try? FileManager.default.removeItem(at: output) }
        let said = try FileHandle(forWritingTo: output)
        let process = Process()
        process.standardOutput = said
        process.standardError = said
        process.executableURL = URL(fileURLWithPath: ProcessInfo.processInfo.environment["BUS311_TEST_PYTHON"] ?? "/usr/bin/python3")
        process.arguments = [folder.appendingPathComponent(name).path] + arguments
        process.currentDirectoryURL = folder
        try process.run()
        let start = ContinuousClock.now
        process.waitUntilExit()
        try said.close()
        var text = Data("== \(name), \(start.duration(to: .now).components.seconds) s\n".utf8)
        text.append((try? Data(contentsOf: output)) ?? Data())
        FileHandle.standardOutput.write(text)
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
