import Foundation

/// Programs that ask a server of this very process: no thread waits for them, and what they print is kept.
public enum Program {
    /// Why a program is not content.
    public struct Failure: Error, CustomStringConvertible {
        public let status: Int32
        public let output: String
        public var description: String { "exit code \(status):\n\(output.suffix(6_000))" }
    }

    /// - Returns: what it printed.
    /// - Throws: ``Failure`` unless its exit code is 0.
    @discardableResult
    public static func run(_ path: String, _ arguments: [String]) async throws -> String {
        let process = Process()
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-\(UUID().uuidString).log")
        guard FileManager.default.createFile(atPath: log.path, contents: nil) else { throw Failure(status: -1, output: "no log file") }
        defer { try? FileManager.default.removeItem(at: log) }
        let output = try FileHandle(forWritingTo: log)
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
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
        let printed = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
        guard status == 0 else { throw Failure(status: status, output: printed) }
        return printed
    }
}
