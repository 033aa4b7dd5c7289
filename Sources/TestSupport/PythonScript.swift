import Foundation

/// The scripts of the end-to-end tests: each starts a city of its own and prints what it finds.
public enum PythonScript {
    private static let folder = TestDatabase.repository.appendingPathComponent("Tests/EndToEndTests/Scripts")

    /// A city waits more than it works, but too many at a time would starve each other: `BUS311_TEST_CITIES` says how many may run.
    private static let places = Places(count: ProcessInfo.processInfo.environment["BUS311_TEST_CITIES"].flatMap { Int($0) } ?? 2)

    /// How long a script takes beside the others: more than a minute, or not.
    public enum Length: Sendable { case usual, long }

    /// Runs a script to its end; then what it said is printed in one piece, because others may run beside it.
    ///
    /// - Parameters:
    ///   - name: a file of `Tests/EndToEndTests/Scripts`.
    ///   - arguments: what follows it on the command line.
    ///   - length: a long one is begun before those that are not, so that the last one running is short.
    /// - Returns: its exit code; 0 means that every assertion held.
    /// - Throws: when Python itself cannot be started; `BUS311_TEST_PYTHON` names the one to use.
    public static func run(_ name: String, _ arguments: String..., length: Length = .usual) async throws -> Int32 {
        await places.enter(length)
        do {
            let code = try await run(name, arguments)
            await places.leave()
            return code
        } catch {
            await places.leave()
            throw error
        }
    }

    private static func run(_ name: String, _ arguments: [String]) async throws -> Int32 {
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
        let start = ContinuousClock.now
        let code = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Int32, any Error>) in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch {
                process.terminationHandler = nil
                continuation.resume(throwing: error)
            }
        }
        try said.close()
        var text = Data("== \(name), \(start.duration(to: .now).components.seconds) s, \(code == 0 ? "passed" : "FAILED")\n".utf8)
        text.append((try? Data(contentsOf: output)) ?? Data())
        FileHandle.standardOutput.write(text)
        return code
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

/// Places for those who take turns: the long ones first, then whoever came first.
private actor Places {
    private var free: Int
    private var waiting: [PythonScript.Length: [CheckedContinuation<Void, Never>]] = [.long: [], .usual: []]

    init(count: Int) { free = max(1, count) }

    func enter(_ length: PythonScript.Length) async {
        guard free == 0 else {
            free -= 1
            return
        }
        await withCheckedContinuation { waiting[length, default: []].append($0) }
    }

    func leave() {
        for length in [PythonScript.Length.long, .usual] {
            guard var queue = waiting[length], !queue.isEmpty else { continue }
            let next = queue.removeFirst()
            waiting[length] = queue
            return next.resume()
        }
        free += 1
    }
}
