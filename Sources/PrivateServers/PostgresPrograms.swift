import Foundation

/// PostgreSQL's own programs, of one major version of this machine.
public struct PostgresPrograms: Sendable {
    /// Holds them.
    public let folder: URL

    private static let root = URL(fileURLWithPath: "/usr/lib/postgresql")

    /// The newest version that has all of these programs; else what PATH has.
    ///
    /// - Throws: `PrivateServerError.programMissing`.
    public static func newest(having names: [String]) throws -> PostgresPrograms {
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        for version in versions.compactMap({ Int($0) }).sorted(by: >) {
            let programs = PostgresPrograms(folder: root.appendingPathComponent("\(version)/bin"))
            if programs.has(names) { return programs }
        }
        guard let first = names.first, let found = Program.find(first) else {
            throw PrivateServerError.programMissing(
                program: names.first ?? "postgres", remedy: "make deps, or apt-get install postgresql")
        }
        let programs = PostgresPrograms(folder: URL(fileURLWithPath: found).deletingLastPathComponent())
        if let missing = names.first(where: { !programs.has([$0]) }) {
            throw PrivateServerError.programMissing(program: missing, remedy: "make deps, or apt-get install postgresql")
        }
        return programs
    }

    /// Those of one version: a data directory is of one, and no other reads it.
    ///
    /// - Throws: `PrivateServerError.programMissing`.
    public static func of(major: Int, having names: [String]) throws -> PostgresPrograms {
        let programs = PostgresPrograms(folder: root.appendingPathComponent("\(major)/bin"))
        if let missing = names.first(where: { !programs.has([$0]) }) {
            throw PrivateServerError.programMissing(
                program: "\(missing) of PostgreSQL \(major)", remedy: "apt-get install postgresql-\(major)")
        }
        return programs
    }

    /// Absolute path of a program.
    public func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    private func has(_ names: [String]) -> Bool {
        names.allSatisfy { FileManager.default.isExecutableFile(atPath: path($0)) }
    }

    /// Runs one of them to its end, as the user that we are.
    ///
    /// - Parameters:
    ///   - environment: added to a fixed language and time zone.
    ///   - log: appended to; holds what it says.
    ///   - progress: its last line so far, once a second.
    /// - Returns: what it said.
    /// - Throws: `PrivateServerError.commandFailed` unless it ends with code 0.
    public func run(
        _ name: String, _ arguments: [String], environment: [String: String] = [:], log: URL, progress: (String) -> Void = { _ in }
    ) async throws -> String {
        let launch = ChildProcess.Launch(
            executable: path(name), arguments: arguments, environment: Program.environment.merging(environment) { $1 },
            directory: URL(fileURLWithPath: "/"), log: log)
        let deathGuard = try DeathGuard(signal: "TERM", limit: 10, directory: launch.directory)
        let process = try ChildProcess(launch)
        deathGuard.watch(process)
        while true {
            if let exit = await process.exit(within: .seconds(1)) {
                guard exit.isSuccess else {
                    throw PrivateServerError.commandFailed(command: name, exit: exit, output: Command.lastLines(of: log))
                }
                return (try? String(contentsOf: log, encoding: .utf8)) ?? ""
            }
            if Task.isCancelled { await process.stop(limit: .seconds(5)) }
            progress(Command.lastLines(of: log).split(whereSeparator: \.isNewline).last.map(String.init) ?? "")
        }
    }

    /// What `pg_controldata` says of a data directory, by its English name.
    public func control(of data: URL, log: URL) async throws -> [String: String] {
        let text = try await run("pg_controldata", [data.path], log: log)
        return Dictionary(
            text.split(separator: "\n").compactMap { line in
                guard let colon = line.firstIndex(of: ":") else { return nil }
                return (String(line[..<colon]), line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
            }, uniquingKeysWith: { first, _ in first })
    }
}
