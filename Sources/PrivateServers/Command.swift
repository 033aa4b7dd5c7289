import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Programs that are run to their end for what they say.
enum Command {
    /// Runs a program and returns what it said.
    ///
    /// - Parameter limit: after this long it is killed.
    /// - Throws: `PrivateServerError.commandFailed` unless it ends with code 0.
    static func run(_ launch: ChildProcess.Launch, limit: Duration) async throws -> String {
        // A nameless file, not a pipe: however much it says, it is never held up.
        var template = Array("/tmp/bus311-output-XXXXXX".utf8CString)
        let output = mkstemp(&template)
        guard output >= 0, fcntl(output, F_SETFD, FD_CLOEXEC) == 0 else {
            throw PrivateServerError.file(path: "/tmp", what: systemMessage(errno))
        }
        unlink(template)
        defer { close(output) }

        let child = try ChildProcess(launch, output: output)
        let exit = await child.exit(within: limit)
        if exit == nil { await child.stop(signal: SIGKILL, limit: .seconds(1)) }
        let text = read(output)
        guard exit?.isSuccess == true else {
            let name = URL(fileURLWithPath: launch.executable).lastPathComponent
            throw PrivateServerError.commandFailed(command: name, exit: exit, output: lastLines(text))
        }
        return text
    }

    /// The end of a text, enough to see what went wrong.
    static func lastLines(_ text: String, _ count: Int = 15) -> String {
        text.split(separator: "\n").suffix(count).joined(separator: "\n")
    }

    /// The last lines of a log file; empty when it cannot be read.
    static func lastLines(of log: URL) -> String {
        guard let file = try? FileHandle(forReadingFrom: log) else { return "" }
        defer { try? file.close() }
        let size = (try? file.seekToEnd()) ?? 0
        try? file.seek(toOffset: size > 16384 ? size - 16384 : 0)
        return lastLines(String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self))
    }

    private static func read(_ descriptor: Int32) -> String {
        var bytes = [UInt8]()
        var buffer = [UInt8](repeating: 0, count: 16384)
        var offset: off_t = 0
        while true {
            let count = pread(descriptor, &buffer, buffer.count, offset)
            guard count > 0 else { break }
            bytes.append(contentsOf: buffer[..<count])
            offset += off_t(count)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
