import Foundation
import PrivateServers

#if canImport(Glibc)
    import Glibc
#endif

/// The demonstration's folder and ports.
struct DemoHome: Sendable {
    let root: URL
    let repository: URL
    let ports: PortPlan

    init(repository: URL) throws {
        let environment = ProcessInfo.processInfo.environment
        self.repository = repository.standardizedFileURL
        root = environment["BUS311_HOME"].map { URL(fileURLWithPath: $0) } ?? self.repository.appendingPathComponent(".bus311")
        ports =
            try environment["BUS311_PORT_BASE"].map { text in
                guard let base = Int(text) else { throw DemoError.portBase(text) }
                return try PortPlan(base: base)
            } ?? PortPlan()
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
    }

    func folder(_ name: String) -> URL { root.appendingPathComponent(name) }

    /// Remembers what kind of broker the data are of: a node alone does not become one of three by another start.
    func keep(isCluster: Bool) throws {
        let brokers = folder("rabbitmq")
        let found = FileManager.default.fileExists(atPath: brokers.path)
        let foundCluster = FileManager.default.fileExists(atPath: brokers.appendingPathComponent("node-1").path)
        if found && foundCluster != isCluster { throw DemoError.otherKind(root.path, isCluster: foundCluster) }
    }

    /// Writes a file that only its owner can read, whole or not at all.
    func writeSecret(_ data: Data, to name: String) throws {
        let temporary = root.appendingPathComponent(".\(name).\(getpid())")
        guard FileManager.default.createFile(atPath: temporary.path, contents: data, attributes: [.posixPermissions: 0o600]),
            rename(temporary.path, root.appendingPathComponent(name).path) == 0
        else { throw DemoError.cannotWrite(root.appendingPathComponent(name).path) }
    }

    /// What these settings begin with is the caller's to choose.
    private static let passedOn = ["BUS311_MEDIA_", "BUS311_MAIL_", "BUS311_NOTICES_", "BUS311_ALERTS_"]

    /// A service of ours as a process of its own, with the settings in this folder.
    ///
    /// - Parameters:
    ///   - health: the port that answers when it runs.
    ///   - settings: variables that win over the file.
    func service(_ command: String, name: String, log: String, health: Int, settings: [String: String] = [:]) -> PrivateCommand {
        let passedOn = ["BUS311_FAILPOINT", "BUS311_LOG_LEVEL", "BUS311_GATEWAY_KEY_LIMIT", "BUS311_GATEWAY_ADDRESS_LIMIT"]
        var environment = ProcessInfo.processInfo.environment.filter {
            let key = $0.key
            return !key.hasPrefix("BUS311_") || passedOn.contains(key) || Self.passedOn.contains { key.hasPrefix($0) }
        }
        environment["BUS311_CONFIG"] = root.appendingPathComponent("settings.json").path
        environment.merge(settings) { $1 }
        return PrivateCommand(
            name: name,
            launch: ChildProcess.Launch(
                executable: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/proc/self/exe",
                arguments: [command], environment: environment, directory: root, log: root.appendingPathComponent(log)),
            ready: { await Self.answers(port: health) })
    }

    private static func answers(port: Int) async -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

enum DemoError: Error, CustomStringConvertible {
    case portBase(String)
    case cannotWrite(String)
    case otherKind(String, isCluster: Bool)

    var description: String {
        switch self {
        case .portBase(let text): "BUS311_PORT_BASE is \(text): give a number, as in 8311"
        case .otherKind(let path, let isCluster):
            "the broker in \(path) is \(isCluster ? "a cluster of three nodes" : "one node"): start it "
                + "\(isCluster ? "with --cluster" : "without --cluster"), or name another folder with BUS311_HOME"
        case .cannotWrite(let path): "\(path) cannot be written: check the folder's rights, or name another with BUS311_HOME"
        }
    }
}
