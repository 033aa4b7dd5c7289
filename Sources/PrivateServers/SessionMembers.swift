import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// The processes of the session that a server opened: its descendants, even when their parent is gone.
enum SessionMembers {
    static func exist(session: pid_t) -> Bool { !members(of: session).isEmpty }

    /// Kills them one by one, each by its process id.
    static func kill(session: pid_t) {
        for member in members(of: session) { Glibc.kill(member, SIGKILL) }
    }

    private static func members(of session: pid_t) -> [pid_t] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { pid_t($0) }.filter { pid in
            guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
                let name = stat.lastIndex(of: ")")
            else { return false }
            // After the name: state, parent, process group, session.
            let fields = stat[stat.index(after: name)...].split(separator: " ")
            return fields.count > 3 && fields[0] != "Z" && pid_t(fields[3]) == session
        }
    }
}
