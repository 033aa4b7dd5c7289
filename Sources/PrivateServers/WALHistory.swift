import Foundation

/// Which server's history the log in a folder belongs to. A restored or promoted server writes another one from some point on: in one
/// folder the second would overwrite the end of the first, of which a later restore may need every byte, and a backup of the second would
/// lie beside a log that does not continue it.
public struct WALHistory: Sendable {
    private let folder: URL
    private let programs: PostgresPrograms
    private let environment: [String: String]
    private let log: URL

    /// - Parameters:
    ///   - folder: the archive of the log.
    ///   - programs: `psql` among them.
    ///   - environment: how to reach the server for replication.
    ///   - log: for what `psql` says; removed afterwards.
    public init(of folder: URL, programs: PostgresPrograms, environment: [String: String], log: URL) {
        self.folder = folder
        self.programs = programs
        self.environment = environment
        self.log = log
    }

    private var note: URL { folder.appendingPathComponent("server") }
    private var known: String? {
        (try? String(contentsOf: note, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Whether the server writes the history whose log lies here; an archive without any takes every server.
    ///
    /// - Throws: ``WALArchiveError/anotherHistory(path:known:found:)``.
    public func check() async throws {
        guard let known else { return }
        let found = try await server()
        guard known == found else { throw WALArchiveError.anotherHistory(path: folder.path, known: known, found: found) }
    }

    /// Checks, and writes down whose log it is from now on.
    func claim() async throws {
        guard known == nil else { return try await check() }
        try SecretFile.write(try await server() + "\n", to: note)
    }

    /// System identifier and timeline.
    private func server() async throws -> String {
        try? FileManager.default.removeItem(at: log)
        let text = try await programs.run(
            "psql", ["-XAtq", "-w", "-c", "IDENTIFY_SYSTEM", "dbname=replication replication=true"], environment: environment, log: log)
        try? FileManager.default.removeItem(at: log)
        let fields = text.split(separator: "\n").last?.split(separator: "|", omittingEmptySubsequences: false) ?? []
        guard fields.count >= 3, let timeline = UInt32(fields[1]) else {
            throw PrivateServerError.commandFailed(command: "IDENTIFY_SYSTEM", exit: nil, output: text)
        }
        return "\(fields[0]) \(timeline)"
    }
}
