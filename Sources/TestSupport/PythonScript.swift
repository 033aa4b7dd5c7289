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

    /// Runs a script that asks a server of this very process: no thread waits for it, and what it prints is kept.
    ///
    /// - Throws: ``Failure`` with what it printed, unless its exit code is 0.
    public static func run(at file: URL, _ arguments: [String]) async throws {
        let process = Process()
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-\(UUID().uuidString).log")
        guard FileManager.default.createFile(atPath: log.path, contents: nil) else { throw Failure(status: -1, output: "no log file") }
        defer { try? FileManager.default.removeItem(at: log) }
        let output = try FileHandle(forWritingTo: log)
        process.executableURL = URL(fileURLWithPath: ProcessInfo.processInfo.environment["BUS311_TEST_PYTHON"] ?? "/usr/bin/python3")
        process.arguments = [file.path] + arguments
        process.standardOutput = output
        process.standardError = output
        let (ended, end) = AsyncStream.makeStream(of: Int32.self)
        process.terminationHandler = { end.yield($0.terminationStatus) }
        try process.run()
        var status: Int32 = -1
        for await code in ended {
            status = code
            break
        }
        try? output.close()
        guard status == 0 else { throw Failure(status: status, output: (try? String(contentsOf: log, encoding: .utf8)) ?? "") }
    }

    /// Why a script is not content.
    public struct Failure: Error, CustomStringConvertible {
        public let status: Int32
        public let output: String
        public var description: String { "exit code \(status):\n\(output.suffix(6_000))" }
    }
}
