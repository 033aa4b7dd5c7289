import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Three RabbitMQ nodes of our own on this machine, formed into one cluster by `broker-config/conf.d/20-cluster.conf` and
/// `broker-config/cluster`, as on a site. One port mapper serves them; passwords, cookie and definitions are shared.
public struct PrivateBrokerCluster: Sendable {
    /// Holds what the nodes share, and a folder for each.
    public let directory: URL
    /// Node 1, 2 and 3.
    public let nodes: [PrivateRabbitMQ]
    /// To be started before the nodes and stopped after them.
    public let portMapper: PrivatePortMapper
    private let folder: BrokerFolder

    /// - Parameters:
    ///   - directory: made on the first start.
    ///   - configuration: the repository's folder `broker-config`.
    public init(directory: URL, ports: PortPlan, configuration: URL) {
        let directory = directory.standardizedFileURL
        self.directory = directory
        let size = PortPlan.clusterSize
        nodes = (1...size).map { number in
            PrivateRabbitMQ(
                directory: directory.appendingPathComponent("node-\(number)"), ports: ports.clusterNode(number),
                configuration: configuration, member: ClusterMember(number: number, of: size, shared: directory))
        }
        folder = BrokerFolder(
            root: directory, ports: ports.rabbitMQ, configuration: configuration.standardizedFileURL,
            member: ClusterMember(number: 1, of: size, shared: directory))
        portMapper = PrivatePortMapper(directory: directory, port: ports.epmd, addresses: ClusterMember.addresses(of: folder.member))
    }

    /// Ends nodes and port mapper of this folder that outlived their owner.
    public func endLeftover() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in nodes { group.addTask { try await node.endLeftover() } }
            try await group.waitForAll()
        }
        try await portMapper.endLeftover()
    }

    /// Writes what the nodes share. Before the first node starts.
    public func prepare() async throws {
        _ = try SecretFile.password(at: secret("erlang-cookie"))
        try folder.writeDefinitions()
        try await folder.authority.prepare()
        let programs = directory.appendingPathComponent("bin").path
        // The cluster's own commands are those of node 1.
        unlink(programs)
        guard symlink("node-1/bin", programs) == 0 else { throw PrivateServerError.file(path: programs, what: systemMessage(errno)) }
    }

    private func secret(_ name: String) throws -> URL {
        let secrets = directory.appendingPathComponent("secrets")
        try SecretFile.makeFolder(secrets)
        return secrets.appendingPathComponent(name)
    }

    /// A service user's password, made on the first call; the same on every node.
    public func password(of user: ServiceUser) throws -> String { try folder.password(of: user) }
}

/// The port mapper of a cluster: a server of its own, because every node of the machine must find the others through it.
public actor PrivatePortMapper: PrivateServer {
    public nonisolated let name = "epmd"
    private let directory: URL
    private let port: Int
    private let addresses: String
    private var process: ChildProcess?

    init(directory: URL, port: Int, addresses: String) {
        self.directory = directory
        self.port = port
        self.addresses = addresses
    }

    private var pidFile: PidFile { PidFile(url: directory.appendingPathComponent("epmd.pid"), marker: directory.path) }

    func endLeftover() async throws {
        guard process?.exitNow != nil || process == nil else { return }
        try SecretFile.makeFolder(directory)
        await pidFile.endLeftover(signal: SIGTERM, limit: .seconds(2))
    }

    public func start() async throws {
        if let process, process.exitNow == nil { return }
        try await endLeftover()
        let log = directory.appendingPathComponent("epmd.log")
        // The folder in the environment says whose it is, when its owner is gone.
        let environment = Program.environment.merging(["HOME": directory.path]) { $1 }
        let deathGuard = try DeathGuard(signal: "TERM", limit: 30, directory: directory)
        let process = try ChildProcess(
            try PortMapper.launch(port: port, addresses: addresses, environment: environment, directory: directory, log: log))
        deathGuard.watch(process)
        try pidFile.write(process.pid)
        let pidFile = pidFile
        process.atExit { pidFile.remove() }
        self.process = process
        try await PortMapper.waitUntilReady(process, port: port, log: log)
    }

    public func stop() async { await process?.stop(signal: SIGTERM, limit: .seconds(2)) }

    public func exit() async -> ProcessExit? { await process?.exit() }
}
