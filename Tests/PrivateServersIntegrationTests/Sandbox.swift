import Foundation
import PrivateServers

#if canImport(Glibc)
    import Glibc
#endif

/// A folder and free ports for one test's servers.
struct Sandbox {
    let directory: URL
    let ports: PortPlan

    /// Ports come from this process's number, so that two runs of the tests on one machine do not meet.
    init(slot: Int) throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-private-\(getpid())-\(slot)")
        var base = 20000 + (Int(getpid()) % 80) * 400 + slot * 80
        var plan = try PortPlan(base: base)
        while (try? plan.checkFree()) == nil {
            base += 80
            plan = try PortPlan(base: base)
        }
        ports = plan
    }

    /// The repository's broker configuration, found from this file.
    static let configuration = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("broker-config")

    func remove() { try? FileManager.default.removeItem(at: directory) }
}

/// Runs a program to its end and returns what it printed.
func output(of program: String, _ arguments: [String], environment: [String: String] = [:]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
}

/// True while the process exists and is more than a zombie.
func runs(_ pid: pid_t) -> Bool {
    guard let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
    return !status.contains(") Z ")
}

/// Waits until `condition` holds; false when it does not within `limit`.
func eventually(within limit: Duration, _ condition: () throws -> Bool) async rethrows -> Bool {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if try condition() { return true }
        try? await Task.sleep(for: .milliseconds(50))
    }
    return try condition()
}
