import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// A PostgreSQL that is brought back from a copy and its log, reachable by nobody but us: a socket in a folder of our own, no network.
public actor RecoveringPostgreSQL {
    /// How far to go back in time.
    public enum Target: Sendable, Equatable {
        /// To the end of the log that there is.
        case end
        /// RFC 3339 in UTC.
        case moment(String)
        /// What the copy alone has.
        case copy
    }

    private let programs: PostgresPrograms
    private let data: URL
    private let archive: URL?
    private let target: Target
    /// The socket, the settings and the log; short, because a socket's path may have 107 bytes.
    private let work: URL
    private var process: ChildProcess?

    /// - Parameters:
    ///   - data: the data directory, a whole copy.
    ///   - archive: of ``WALReceiver``; nil without.
    public init(programs: PostgresPrograms, data: URL, archive: URL?, target: Target) throws {
        self.programs = programs
        self.data = data
        self.archive = archive
        self.target = target
        // mkdtemp(3) puts what nobody can guess in place of the last six letters, and makes the folder for us alone.
        var template = Array("/tmp/bus311-restore-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw PrivateServerError.file(path: "/tmp", what: systemMessage(errno)) }
        work = URL(fileURLWithPath: String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    /// A connection string without a password; nobody else can enter the folder.
    public nonisolated func connection(user: String, database: String) -> String {
        let quoted = [user, database].map {
            "'" + $0.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "'", with: "\\'") + "'"
        }
        return "host=\(work.path) port=5432 user=\(quoted[0]) dbname=\(quoted[1])"
    }

    private nonisolated var log: URL { work.appendingPathComponent("log") }

    /// Starts it, and returns when it has come back as far as the target and takes connections.
    ///
    /// - Parameters:
    ///   - segmentBytes: of a file of the log.
    ///   - progress: the server's last line, once a second.
    public func start(segmentBytes: Int, progress: (String) -> Void) async throws {
        let user = try UnprivilegedUser.forPostgreSQL()
        let recovery = try prepare(segmentBytes: segmentBytes)
        try user?.own(work)
        if let user { try Self.give(data, to: user) }
        var launch = ChildProcess.Launch(
            executable: programs.path("postgres"),
            arguments: ["-D", data.path] + (Self.settings(in: work) + recovery).flatMap { ["-c", $0] }, environment: Program.environment,
            directory: work, log: log)
        if let user { launch = try user.running(launch) }
        let deathGuard = try DeathGuard(signal: "INT", limit: 20, directory: work)
        let process = try ChildProcess(launch)
        deathGuard.watch(process)
        self.process = process
        let status = data.appendingPathComponent("postmaster.pid")
        var told = ContinuousClock.now
        while !PrivatePostgreSQL.isReady(status, pid: process.pid) {
            if let exit = process.exitNow {
                throw PrivateServerError.endedAtStart(server: "postgresql", exit: exit, log: Command.lastLines(of: log))
            }
            // No event tells that recovery is over: it stands in a file, as pg_ctl reads it. It may take hours, so there is no limit.
            try await Task.sleep(for: .milliseconds(100))
            if told.duration(to: .now) > .seconds(1) {
                told = .now
                progress(Command.lastLines(of: log).split(separator: "\n").last.map(String.init) ?? "")
            }
        }
    }

    /// Stops it, everything on disk, and removes the working folder.
    ///
    /// - Parameter isDone: false keeps the server's log, for whoever looks for the reason.
    public func stop(isDone: Bool) async {
        await process?.stop(signal: SIGINT, limit: .seconds(60))
        // The log of the server stays; what was copied of the database's, with people in it, does not.
        try? FileManager.default.removeItem(at: isDone ? work : work.appendingPathComponent("partial"))
    }

    /// On the command line, which wins over whatever the copy's own files say.
    private static func settings(in work: URL) -> [String] {
        [
            "config_file=\(work.path)/postgresql.conf", "hba_file=\(work.path)/pg_hba.conf", "ident_file=\(work.path)/pg_ident.conf",
            "listen_addresses=", "unix_socket_directories=\(work.path)", "port=5432", "logging_collector=off", "log_destination=stderr",
            "lc_messages=C", "ssl=off", "archive_mode=off", "hot_standby=off", "synchronous_standby_names=", "primary_conninfo=",
            "primary_slot_name=", "shared_preload_libraries=", "external_pid_file=", "max_connections=20", "huge_pages=off",
            "shared_buffers=128MB",
        ]
    }

    /// - Returns: settings for the command line. Those without a value stand before the target's, which takes no other beside it.
    private func prepare(segmentBytes: Int) throws -> [String] {
        // The end of any recovery begins a new timeline, and so a log that is never taken for the old one's.
        var recovery = [
            "recovery_target=", "recovery_target_lsn=", "recovery_target_name=", "recovery_target_xid=", "recovery_end_command=",
            "archive_cleanup_command=", "recovery_target_timeline=latest", "recovery_target_action=promote",
        ]
        try SecretFile.write("", to: data.appendingPathComponent("recovery.signal"))
        if let archive, target != .copy {
            let partial = work.appendingPathComponent("partial")
            try SecretFile.makeFolder(partial)
            try complete(partialsOf: archive, into: partial, segmentBytes: segmentBytes)
            try SecretFile.write(Self.script(archive: archive, partial: partial), to: work.appendingPathComponent("fetch"))
            recovery.append("restore_command=/bin/sh \(work.path)/fetch \"%f\" \"%p\"")
        } else {
            // The copy's own log, and nothing else.
            recovery.append("restore_command=/bin/false")
        }
        if case .moment(let text) = target {
            // So early in its start PostgreSQL knows no zone by its name, not even Z.
            recovery.append("recovery_target_time=" + text.replacing("T", with: " ").replacing("Z", with: "+00"))
        } else {
            recovery.append("recovery_target_time=")
        }
        try SecretFile.write("", to: work.appendingPathComponent("postgresql.conf"))
        try SecretFile.write("local all all trust\n", to: work.appendingPathComponent("pg_hba.conf"))
        try SecretFile.write("", to: work.appendingPathComponent("pg_ident.conf"))
        if let user = try UnprivilegedUser.forPostgreSQL() { try Self.give(work, to: user) }
        return recovery
    }

    /// A receiver that was killed leaves its last file unfinished and named so: as far as it goes, it is good.
    /// Where the archive or the copy itself has the whole file, that one counts.
    private func complete(partialsOf archive: URL, into folder: URL, segmentBytes: Int) throws {
        let suffix = ".partial"
        for name in (try? FileManager.default.contentsOfDirectory(atPath: archive.path)) ?? [] where name.hasSuffix(suffix) {
            let whole = String(name.dropLast(suffix.count))
            let isWhole = [archive, data.appendingPathComponent("pg_wal")].contains {
                FileManager.default.fileExists(atPath: $0.appendingPathComponent(whole).path)
            }
            if isWhole { continue }
            let copy = folder.appendingPathComponent(whole)
            try FileManager.default.copyItem(at: archive.appendingPathComponent(name), to: copy)
            guard truncate(copy.path, off_t(segmentBytes)) == 0 else {
                throw PrivateServerError.file(path: copy.path, what: systemMessage(errno))
            }
        }
    }

    private static func script(archive: URL, partial: URL) -> String {
        let folders = [archive, partial].map { "'" + $0.path.replacingOccurrences(of: "'", with: "'\\''") + "'" }
        return """
            for folder in \(folders.joined(separator: " ")); do
                if [ -f "$folder/$1" ]; then exec cp "$folder/$1" "$2"; fi
            done
            exit 1

            """
    }

    private static func give(_ folder: URL, to user: UnprivilegedUser) throws {
        try user.own(folder)
        let walk = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
        while let file = walk?.nextObject() as? URL { try user.own(file) }
    }
}
