import AMQP
import Testing

extension BrokerTests {
    @Suite("With several hosts")
    struct ClusterHostsTests {
        private func configuration(_ hosts: String) async throws -> AMQPConfiguration {
            let broker = try await PrivateBroker.shared.value
            let list = hosts.replacing("ALIVE", with: "127.0.0.1:\(broker.port)")
            return try AMQPConfiguration(uri: "amqp://guest:guest@\(list)/%2F?heartbeat=2&connection_timeout=4000")
        }

        @Test("the living one is found beside a closed port and one that accepts and says nothing; a consumer starts there too")
        func oneAlive() async throws {
            let silent = try SilentListener()
            defer { silent.close() }
            let configuration = try await configuration("127.0.0.1:1,ALIVE,127.0.0.1:\(silent.port)")
            for _ in 0..<3 {
                let start = ContinuousClock.now
                let publisher = try ConfirmedPublisher(configuration: configuration)
                try await publisher.connect()
                let outcomes = try await publisher.exchange([publication(1, to: "no.such.queue")], minimum: 1, wait: .seconds(10))
                #expect(outcomes.map(\.outcome) == [.returned(code: 312, text: "NO_ROUTE")])
                await publisher.close()
                #expect(start.duration(to: .now) < .seconds(10))
            }
            let channel = try AMQPChannel(configuration: configuration)
            let queue = try await channel.makeQueue()
            let consumer = try Consumer(configuration: configuration, queue: queue, prefetch: 1)
            let stream = try await consumer.start()
            try await eventually("it consumes") { try await channel.passiveDeclare(queue: queue).consumers == 1 }
            await consumer.close()
            for try await _ in stream {}
            try await channel.delete(queue: queue)
            await channel.close()
        }

        @Test("all dead is one error, in the time of one, that names each")
        func allDead() async throws {
            let silent = try SilentListener()
            defer { silent.close() }
            let publisher = try ConfirmedPublisher(
                configuration: try await configuration("127.0.0.1:1,127.0.0.1:\(silent.port)"))
            let start = ContinuousClock.now
            let error = try await failure { () async throws(AMQPError) in try await publisher.connect() }
            #expect(start.duration(to: .now) < .seconds(8))
            #expect(error.isRetriable)
            #expect(error.description.contains("127.0.0.1:1,") && error.description.contains(":\(silent.port),"))
            await publisher.close()
        }
    }
}
