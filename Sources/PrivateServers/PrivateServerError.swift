/// Why a private server, or one of the processes that serve it, is not there.
public enum PrivateServerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A program of the machine is not installed.
    case programMissing(program: String, remedy: String)
    /// Ports that somebody else listens on, by the name of their use.
    case portsTaken([PortUse])
    /// The port base leaves no room for every port below 65536, or is not a port.
    case portBaseOutOfRange(Int)
    /// Another living process of this machine uses the folder.
    case folderInUse(path: String)
    /// The kernel refused to start a program.
    case notStarted(program: String, errno: Int32)
    /// A server ended before it answered; `log` holds the last lines of what it said.
    case endedAtStart(server: String, exit: ProcessExit, log: String)
    /// A server lives but did not answer in time.
    case notReady(server: String, seconds: Int, log: String)
    /// A command ended badly or took too long; `output` holds the end of what it said.
    case commandFailed(command: String, exit: ProcessExit?, output: String)
    /// A file cannot be read, written or understood.
    case file(path: String, what: String)

    public var description: String {
        switch self {
        case .programMissing(let program, let remedy):
            "the program \(program) is not on this machine: \(remedy)"
        case .portsTaken(let ports):
            "taken by another program: " + ports.map { "port \($0.port) (\($0.name))" }.joined(separator: ", ")
                + ". Stop that program, or choose other ports with BUS311_PORT_BASE, for instance BUS311_PORT_BASE=9311"
        case .portBaseOutOfRange(let base):
            "BUS311_PORT_BASE is \(base): it must lie between 1024 and \(PortPlan.highestBase)"
        case .folderInUse(let path):
            "the folder \(path) is used by another running Bus311: stop that one, or choose another folder with BUS311_HOME"
        case .notStarted(let program, let errno):
            "\(program) could not be started: \(systemMessage(errno))"
        case .endedAtStart(let server, let exit, let log):
            "\(server) ended while it started (\(exit)). Its last words:\n\(log)"
        case .notReady(let server, let seconds, let log):
            "\(server) did not answer within \(seconds) s. Its last words:\n\(log)"
        case .commandFailed(let command, let exit, let output):
            "\(command) failed (\(exit.map { "\($0)" } ?? "too slow, stopped")): \(output)"
        case .file(let path, let what):
            "\(path): \(what)"
        }
    }
}
