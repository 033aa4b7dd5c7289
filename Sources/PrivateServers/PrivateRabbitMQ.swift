import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// A RabbitMQ of our own: its own folder, node name, cookie, port mapper and ports, all on 127.0.0.1.
///
/// At boot it loads `broker-config`: the settings, the plugins, the vhost `open311`, the service users with the passwords of this
/// folder, the policies and the exchanges and queues that belong to no tenant. The user `guest` does not exist.
public actor PrivateRabbitMQ: PrivateServer {
    /// The virtual host of the product.
    public static let vhost = "open311"

    public nonisolated let name: String
    public nonisolated let ports: RabbitMQPorts
    /// Holds the data, logs, passwords and process ids.
    public nonisolated let directory: URL
    private nonisolated let folder: BrokerFolder
    private nonisolated let member: ClusterMember?
    private var broker: ChildProcess?
    private var portMapper: ChildProcess?
    private var lock: FolderLock?

    /// - Parameters:
    ///   - directory: made on the first start.
    ///   - configuration: the repository's folder `broker-config`.
    public init(directory: URL, ports: RabbitMQPorts, configuration: URL) {
        self.init(directory: directory, ports: ports, configuration: configuration, member: nil)
    }

    /// - Parameter member: nil for a broker alone; else the port mapper is the cluster's, not this node's.
    init(directory: URL, ports: RabbitMQPorts, configuration: URL, member: ClusterMember?) {
        name = member.map { "rabbitmq node \($0.number)" } ?? "rabbitmq"
        self.directory = directory.standardizedFileURL
        self.ports = ports
        self.member = member
        folder = BrokerFolder(root: self.directory, ports: ports, configuration: configuration.standardizedFileURL, member: member)
    }

    /// A service user's password, made on the first call.
    public nonisolated func password(of user: ServiceUser) throws -> String { try folder.password(of: user) }

    /// AMQP URI of a service user, with the password in it.
    public nonisolated func uri(for user: ServiceUser) throws -> String {
        "amqp://\(user.rawValue):\(try password(of: user))@127.0.0.1:\(ports.amqp)/\(Self.vhost)"
    }

    /// Signs the broker's certificate and, on demand, those of its clients; nil for a broker without TLS.
    public nonisolated var authority: PrivateAuthority? { ports.amqps == nil ? nil : folder.authority }

    /// Base of the management HTTP API, without credentials.
    public nonisolated var managementURL: String { "http://127.0.0.1:\(ports.management)" }
    /// The Erlang node's name.
    public nonisolated func nodeName() throws -> String { try folder.nodeName() }

    /// The broker's process id while it runs.
    public var pid: pid_t? { broker.flatMap { $0.exitNow == nil ? $0.pid : nil } }
    public var isAlive: Bool { pid != nil }

    private nonisolated var brokerPid: PidFile { pidFile("rabbitmq.pid") }
    private nonisolated var mapperPid: PidFile { pidFile("epmd.pid") }
    private nonisolated func pidFile(_ name: String) -> PidFile {
        PidFile(url: directory.appendingPathComponent(name), marker: directory.path)
    }

    /// Ends a broker of this folder that outlived its owner. `start` does so too; the caller may want the ports free before that.
    public func endLeftover() async throws {
        guard !isAlive else { return }
        if lock == nil {
            try SecretFile.makeFolder(directory)
            lock = try FolderLock(directory)
        }
        await brokerPid.endLeftover(signal: SIGTERM, limit: .seconds(20))
        if portMapper?.exitNow != nil || portMapper == nil { await mapperPid.endLeftover(signal: SIGTERM, limit: .seconds(2)) }
    }

    /// Starts the broker and returns when it takes AMQP connections and its management API answers. Does nothing when it runs.
    public func start() async throws {
        guard !isAlive else { return }
        try await endLeftover()
        try folder.prepare()
        try await folder.prepareTLS()
        let environment = try folder.environment()
        if member == nil { try await startPortMapper(environment) }
        let launch = ChildProcess.Launch(
            executable: try BrokerFolder.scripts().appendingPathComponent("rabbitmq-server").path,
            environment: environment.merging([
                // Makes the script become the Erlang machine instead of waiting for it: its process id is then the broker's.
                "RABBITMQ_ALLOW_INPUT": "1",
                "RABBITMQ_SERVER_START_ARGS": "-noinput",
                // Erlang's schedulers otherwise spin for work on cores that the tests and the services need.
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                    "+sbwt none +sbwtdcpu none +sbwtdio none -kernel \(ClusterMember.kernelSettings(of: member))"
                    + ClusterMember.watchArguments(of: member),
            ]) { $1 },
            directory: directory,
            log: folder.console
        )
        let broker = try guarded(launch, pidFile: brokerPid, limit: 20)
        self.broker = broker
        let password = try password(of: .monitor)
        let ports = ports
        let console = folder.console
        try await waitUntilReady(broker, server: name, limit: .seconds(180), log: { Command.lastLines(of: console) }) {
            guard Loopback.accepts(ports.amqp) else { return false }
            let user = ServiceUser.monitor.rawValue
            return await Loopback.status(of: "/api/overview", port: ports.management, user: user, password: password) == 200
        }
    }

    /// Graceful stop, then the port mapper's.
    public func stop() async {
        await broker?.stop(signal: SIGTERM, limit: .seconds(40))
        await endRemains()
        await portMapper?.stop(signal: SIGTERM, limit: .seconds(2))
        lock = nil
    }

    /// Stops and starts.
    public func restart() async throws {
        await stop()
        try await start()
    }

    /// Kills the broker as an accident would, and what it leaves behind.
    public func kill9() async {
        await broker?.stop(signal: SIGKILL, limit: .seconds(5))
        await endRemains()
        await portMapper?.stop(signal: SIGKILL, limit: .seconds(2))
    }

    /// Stops the broker from running without ending it: to its clients it is a peer that never answers.
    public func freeze() { broker?.signal(SIGSTOP) }
    /// Lets it run again.
    public func thaw() { broker?.signal(SIGCONT) }

    public func exit() async -> ProcessExit? { await broker?.exit() }

    /// Runs `rabbitmqctl` against this broker and returns what it says. Slow (an Erlang node a call): for what HTTP cannot do.
    public func control(_ arguments: [String]) async throws -> String {
        let launch = ChildProcess.Launch(
            executable: try BrokerFolder.scripts().appendingPathComponent("rabbitmqctl").path,
            arguments: arguments,
            environment: try folder.environment(),
            directory: directory
        )
        return try await Command.run(launch, limit: .seconds(60))
    }

    private func startPortMapper(_ environment: [String: String]) async throws {
        if let portMapper, portMapper.exitNow == nil { return }
        let mapper = try guarded(
            try PortMapper.launch(
                port: ports.epmd, addresses: "127.0.0.1", environment: environment, directory: directory, log: folder.console),
            pidFile: mapperPid, limit: 30)
        portMapper = mapper
        try await PortMapper.waitUntilReady(mapper, port: ports.epmd, log: folder.console)
    }

    private func guarded(_ launch: ChildProcess.Launch, pidFile: PidFile, limit: Int) throws -> ChildProcess {
        let deathGuard = try DeathGuard(signal: "TERM", limit: limit, directory: directory)
        let process = try ChildProcess(launch)
        deathGuard.watch(process)
        try pidFile.write(process.pid)
        process.atExit { pidFile.remove() }
        return process
    }

    /// Erlang's helper programs end when the machine that they serve is gone; whoever does not is ended here.
    private func endRemains() async {
        guard let broker, broker.exitNow != nil else { return }
        let deadline = ContinuousClock.now + .seconds(2)
        while SessionMembers.exist(session: broker.pid), ContinuousClock.now < deadline {
            if (try? await Task.sleep(for: .milliseconds(20))) == nil { break }
        }
        SessionMembers.kill(session: broker.pid)
    }
}
