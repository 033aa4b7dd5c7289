import Foundation
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#endif

/// A tiny shell that ends a server when we can no longer do it ourselves.
///
/// It reads from a socket whose other end only this process holds. When this process dies, by whatever death, the kernel closes
/// that end, the shell sees the end of the input and stops the server by its process id.
final class DeathGuard: Sendable {
    private static let script = """
        trap '' INT TERM HUP
        read -r server || exit 0
        read -r word && exit 0
        kill -"$1" "$server" 2>/dev/null || exit 0
        tenths=0
        while kill -0 "$server" 2>/dev/null; do
            [ "$tenths" -lt "$2" ] || { kill -KILL "$server" 2>/dev/null; exit 0; }
            sleep 0.1
            tenths=$((tenths + 1))
        done
        """

    private let shell: ChildProcess
    private let ourEnd: NIOLockedValueBox<Int32?>

    /// Starts the shell; it guards nothing until `watch` names the server.
    ///
    /// - Parameters:
    ///   - signal: name of the signal that asks the server to end, without `SIG`.
    ///   - limit: seconds between that signal and SIGKILL.
    init(signal: String, limit: Int, directory: URL) throws {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw PrivateServerError.notStarted(program: "/bin/sh", errno: errno)
        }
        defer { close(ends[1]) }
        do {
            shell = try ChildProcess(
                ChildProcess.Launch(
                    executable: "/bin/sh",
                    arguments: ["-c", Self.script, "bus311-guard", signal, "\(limit * 10)"],
                    environment: ["PATH": "/usr/bin:/bin"],
                    directory: directory,
                    log: URL(fileURLWithPath: "/dev/null")
                ),
                input: ends[1]
            )
        } catch {
            close(ends[0])
            throw error
        }
        ourEnd = NIOLockedValueBox(ends[0])
    }

    deinit { dismiss() }

    /// Tells the shell whom to end, and dismisses it when that process has ended.
    func watch(_ server: ChildProcess) {
        say("\(server.pid)\n")
        server.atExit { self.dismiss() }
    }

    /// Lets the shell go without harm to anybody.
    func dismiss() {
        say("ended\n")
        let descriptor = ourEnd.withLockedValue { end in
            defer { end = nil }
            return end
        }
        if let descriptor { close(descriptor) }
    }

    private func say(_ line: String) {
        ourEnd.withLockedValue { end in
            // MSG_NOSIGNAL: a guard that somebody killed must not take us along with SIGPIPE.
            if let end { _ = line.withCString { send(end, $0, strlen($0), Int32(MSG_NOSIGNAL)) } }
        }
    }
}
