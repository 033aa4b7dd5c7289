import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// The account that PostgreSQL runs as when we are root, which PostgreSQL refuses to be.
struct UnprivilegedUser: Sendable {
    let userID: uid_t
    let groupID: gid_t

    /// `postgres`, else `nobody`; nil when we are no root and need nobody else.
    static func forPostgreSQL() throws -> UnprivilegedUser? {
        guard geteuid() == 0 else { return nil }
        guard let user = named("postgres") ?? named("nobody") else {
            throw PrivateServerError.programMissing(program: "user postgres", remedy: "make deps installs PostgreSQL and its account")
        }
        return user
    }

    /// The launch as this user. It may pass every folder (`CAP_DAC_OVERRIDE`), because the data may lie under a closed home.
    func running(_ launch: ChildProcess.Launch) throws -> ChildProcess.Launch {
        guard let setpriv = Program.find("setpriv") else {
            throw PrivateServerError.programMissing(program: "setpriv", remedy: "apt-get install util-linux")
        }
        var changed = launch
        changed.executable = setpriv
        changed.arguments =
            [
                "--reuid=\(userID)", "--regid=\(groupID)", "--clear-groups",
                "--inh-caps=+dac_override", "--ambient-caps=+dac_override",
                launch.executable,
            ] + launch.arguments
        return changed
    }

    /// Gives it a folder.
    func own(_ folder: URL) throws {
        guard chown(folder.path, userID, groupID) == 0 else {
            throw PrivateServerError.file(path: folder.path, what: "cannot be given to the account of PostgreSQL: \(systemMessage(errno))")
        }
    }

    private static func named(_ name: String) -> UnprivilegedUser? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var text = [CChar](repeating: 0, count: 4096)
        guard getpwnam_r(name, &entry, &text, text.count, &found) == 0, found != nil else { return nil }
        return UnprivilegedUser(userID: entry.pw_uid, groupID: entry.pw_gid)
    }
}

/// Programs of the machine.
enum Program {
    /// Absolute path of a program in PATH, or in the folders that a normal user's PATH leaves out.
    static func find(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders = path.split(separator: ":").map(String.init) + ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        return folders.lazy.map { $0 + "/" + name }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// A launch that is shown the time that our own caller was shown: `make soak` lets a day pass in minutes (`Tests/Soak/clock.c`).
    ///
    /// - Returns: the launch through env(1), so that what changes the account before it keeps the true time.
    static func underCallersClock(_ launch: ChildProcess.Launch) -> ChildProcess.Launch {
        let clock = ProcessInfo.processInfo.environment.filter {
            $0.key == "LD_PRELOAD" || $0.key.hasPrefix("FAKETIME") && $0.key != "FAKETIME_SHARED"
        }
        guard !clock.isEmpty, let env = find("env") else { return launch }
        var changed = launch
        changed.executable = env
        changed.arguments = clock.map { "\($0.key)=\($0.value)" }.sorted() + [launch.executable] + launch.arguments
        return changed
    }

    /// The surroundings of a server: a fixed language and time zone of messages, and the user's PATH.
    static var environment: [String: String] {
        [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        ]
    }
}
