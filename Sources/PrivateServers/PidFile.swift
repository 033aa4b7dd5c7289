import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Remembers a running server on disk, so that the next start can end one that outlived its owner.
struct PidFile: Sendable {
    /// `PID START`: the number and the kernel's start time of that process, which together never name two processes.
    let url: URL
    /// The folder that stands in the command line or environment of a process that is ours.
    let marker: String

    func write(_ pid: pid_t) throws {
        let line = "\(pid) \(Self.startTime(of: pid) ?? 0)\n"
        do {
            try Data(line.utf8).write(to: url, options: .atomic)
        } catch {
            throw PrivateServerError.file(path: url.path, what: "cannot be written: \(error.localizedDescription)")
        }
    }

    func remove() { unlink(url.path) }

    /// The process of this file, if it still runs and really is ours; a stale file is nobody's.
    func leftover() -> pid_t? {
        guard let text = try? String(contentsOf: url, encoding: .utf8) else { return nil }
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let pid = pid_t(words[0]), pid > 1, let start = UInt64(words[1]) else { return nil }
        guard Self.startTime(of: pid) == start, Self.mentions(pid, marker) else { return nil }
        return pid
    }

    /// Ends the leftover, if there is one, and waits until it is gone.
    ///
    /// - Returns: true when there was one.
    @discardableResult
    func endLeftover(signal: Int32, limit: Duration) async -> Bool {
        guard let pid = leftover() else {
            remove()
            return false
        }
        kill(pid, signal)
        let deadline = ContinuousClock.now + limit
        while leftover() != nil {
            if ContinuousClock.now > deadline { kill(pid, SIGKILL) }
            if (try? await Task.sleep(for: .milliseconds(50))) == nil { break }
        }
        remove()
        return true
    }

    /// Field 22 of `/proc/PID/stat`; nil for a process that is gone or waits to be collected.
    static func startTime(of pid: pid_t) -> UInt64? {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            // The name in parentheses may itself hold spaces and parentheses.
            let name = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[stat.index(after: name)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
        return UInt64(fields[19])
    }

    private static func mentions(_ pid: pid_t, _ text: String) -> Bool {
        let bytes = Data(text.utf8)
        return ["cmdline", "environ"].contains { file in
            (try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/\(file)")))?.range(of: bytes) != nil
        }
    }
}
