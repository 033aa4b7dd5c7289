import Foundation
import PrivateServers
import Testing

/// A private broker, started once before the suite's first test and stopped after its last.
struct SharedBrokerTrait: SuiteTrait, TestScoping {
    /// The broker of the tests that run now.
    @TaskLocal static var broker: PrivateRabbitMQ?

    func provideScope(for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "bus311-test-\(UInt64.random(in: 0 ... .max))")
        defer { try? FileManager.default.removeItem(at: directory) }
        let broker = PrivateRabbitMQ(directory: directory, ports: try Self.freePorts(), configuration: Self.configuration)
        try await broker.start()
        let result: Result<Void, any Error>
        do {
            try await Self.$broker.withValue(broker, operation: body)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await broker.stop()
        try result.get()
    }

    private static let configuration = URL(filePath: #filePath).appending(path: "../../../broker-config").standardizedFileURL

    /// Below those that the kernel gives to clients.
    private static func freePorts() throws -> RabbitMQPorts {
        for _ in 0..<100 {
            let plan = try PortPlan(base: Int.random(in: 20_000...32_000))
            if (try? plan.checkFree()) != nil { return plan.rabbitMQ }
        }
        throw NoFreePorts()
    }

    private struct NoFreePorts: Error {}
}

extension Trait where Self == SharedBrokerTrait {
    static var sharedBroker: Self { SharedBrokerTrait() }
}

/// Everything that needs a real broker.
@Suite("With a real broker", .sharedBroker)
struct WithBroker {}
