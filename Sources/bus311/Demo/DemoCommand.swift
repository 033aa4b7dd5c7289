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
            starting again finds the data again. Example: BUS311_PORT_BASE=9311 bus311 demo
            """)

    @Option(help: "The checkout: holds migrations, broker-config and examples.")
    var repository = FileManager.default.currentDirectoryPath

    @Flag(help: "Start the servers and prepare the city, but leave the services to you: settings.json in the folder is theirs.")
    var serversOnly = false

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        // From here on, Ctrl-C and SIGTERM wait until somebody asks for them.
        let interruptions = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let home = try DemoHome(repository: URL(fileURLWithPath: repository))
        let postgres = PrivatePostgreSQL(directory: home.folder("postgresql"), port: home.ports.postgresql)
        let broker = PrivateRabbitMQ(
            directory: home.folder("rabbitmq"), ports: home.ports.rabbitMQ,
            configuration: home.repository.appendingPathComponent("broker-config"))
        try await postgres.endLeftover()
        try await broker.endLeftover()
        try home.ports.checkFree()

        let say: @Sendable (String) -> Void = { line in FileHandle.standardOutput.write(Data("bus311: \(line)\n".utf8)) }
        say("starting a private PostgreSQL and a private RabbitMQ under \(home.root.path)")
        let database = SupervisedProcess(postgres, report: say)
        let queue = SupervisedProcess(broker, report: say)
        var started: [SupervisedProcess] = []
        do {
            async let databaseStart: Void = database.start()
            async let queueStart: Void = queue.start()
            try await databaseStart
            started.append(database)
            try await queueStart
            started.append(queue)
            say("preparing the demonstration city")
            let demo = try await DemoCity(home: home, postgres: postgres, broker: broker).prepare()
            if !serversOnly {
                let services = SupervisedProcess(home.services(), report: say)
                try await services.start()
                started.append(services)
            }
            // Not print: its buffer would keep the banner from a pipe or a file.
            FileHandle.standardOutput.write(Data((demo.banner + "\n").utf8))
            for await _ in interruptions { break }
            say("stopping")
        } catch {
            for process in started.reversed() { await process.stop() }
            await queue.stop()
            await database.stop()
            throw error
        }
        for process in started.reversed() { await process.stop() }
        say("stopped")
    }
}
