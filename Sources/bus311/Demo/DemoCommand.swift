import AMQP
import ArgumentParser
import Bus
import Foundation
import PrivateServers
import Storage
import UnixSignals

#if canImport(Glibc)
    import Glibc
#endif

/// What `make run` calls: a whole city on this machine, in the foreground.
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a demonstration city with its own PostgreSQL and RabbitMQ, in the foreground.",
        discussion: """
            Everything lives under .bus311 (BUS311_HOME moves it); ports count from BUS311_PORT_BASE (8311). Ctrl-C stops all of it,
            starting again finds the data again. With --cluster the broker is three nodes, of which any one may be lost.
            Examples: BUS311_PORT_BASE=9311 bus311 demo; BUS311_HOME=.bus311-cluster bus311 demo --cluster
            """)

    @Option(help: "The checkout: holds migrations, broker-config and examples.")
    var repository = FileManager.default.currentDirectoryPath

    @Flag(help: "Start the servers and prepare the city, but leave the services to you: settings.json in the folder is theirs.")
    var serversOnly = false

    @Flag(help: "Three RabbitMQ nodes instead of one, and two gateways and two relays side by side, each a process of its own.")
    var cluster = false

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        // From here on, Ctrl-C and SIGTERM wait until somebody asks for them.
        let interruptions = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let home = try DemoHome(repository: URL(fileURLWithPath: repository))
        try home.keep(isCluster: cluster)
        let postgres = PrivatePostgreSQL(directory: home.folder("postgresql"), port: home.ports.postgresql)
        let broker = DemoBroker(home, isCluster: cluster)
        try await postgres.endLeftover()
        try await broker.endLeftover()
        try home.ports.checkFree(cluster ? home.ports.clusterUses(services: DemoServices.count(home.ports)) : [])

        let say: @Sendable (String) -> Void = { line in FileHandle.standardOutput.write(Data("bus311: \(line)\n".utf8)) }
        say("starting a private PostgreSQL and \(cluster ? "three private RabbitMQ nodes" : "a private RabbitMQ") under \(home.root.path)")
        let portMapper = broker.cluster.map { SupervisedProcess($0.portMapper, report: say) }
        let servers = [SupervisedProcess(postgres, report: say)] + broker.nodes.map { SupervisedProcess($0, report: say) }
        let services = serversOnly ? [] : DemoServices.processes(home, isCluster: cluster).map { SupervisedProcess($0, report: say) }
        let outcome: Result<Void, any Error>
        do {
            try await broker.cluster?.prepare()
            try await portMapper?.start()
            try await Self.together(servers) { try await $0.start() }
            say("preparing the demonstration city")
            let demo = try await DemoCity(home: home, postgres: postgres, broker: broker).prepare()
            try await Self.together(services) { try await $0.start() }
            // Not print: its buffer would keep the banner from a pipe or a file.
            FileHandle.standardOutput.write(Data((demo.banner + "\n").utf8))
            for await _ in interruptions { break }
            say("stopping")
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        try? await Self.together(services) { await $0.stop() }
        try? await Self.together(servers) { await $0.stop() }
        await portMapper?.stop()
        try outcome.get()
        say("stopped")
    }

    private static func together(
        _ processes: [SupervisedProcess], _ action: @escaping @Sendable (SupervisedProcess) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for process in processes { group.addTask { try await action(process) } }
            try await group.waitForAll()
        }
    }
}
