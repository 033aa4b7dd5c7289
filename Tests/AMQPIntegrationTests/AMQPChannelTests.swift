import AMQP
import Testing

extension BrokerTests {
    @Suite("An administrative channel")
    struct AMQPChannelTests {
        @Test("counts, takes, gives back and purges")
        func administers() async throws {
            try await withPublisher { publisher, queue in
                let channel = try AMQPChannel(configuration: await (try PrivateBroker.shared.value).configuration())
                try await channel.declare(exchange: "test.topic", type: "topic")
                try await channel.passiveDeclare(exchange: "test.topic")
                try await channel.bind(queue: queue, to: "test.topic", routingKey: "a.#")
                #expect(try await channel.get(queue: queue)?.tag == nil)
                var sent = (1...3).map { publication($0, to: "a.b", exchange: "test.topic") }
                sent[0].properties.correlationID = "c"
                _ = try await publisher.exchange(sent, minimum: 3, wait: .seconds(10))
                #expect(try await channel.passiveDeclare(queue: queue).messages == 3)
                let taken = try #require(try await channel.get(queue: queue))
                #expect(taken.properties.correlationID == "c" && taken.exchange == "test.topic")
                try await channel.acknowledge(taken.tag)
                let second = try #require(try await channel.get(queue: queue))
                try await channel.reject(second.tag, requeue: true)
                #expect(try await channel.purge(queue: queue) == 2)
                try await channel.delete(exchange: "test.topic")
                await channel.close()
            }
        }

        @Test("goes on after an error that closed its channel")
        func recovers() async throws {
            let channel = try AMQPChannel(configuration: await (try PrivateBroker.shared.value).configuration())
            let error = try await failure { () async throws(AMQPError) in try await channel.passiveDeclare(queue: "no.such.queue") }
            #expect(error.kind == .notFound)
            try await channel.passiveDeclare(exchange: "amq.topic")
            await channel.close()
        }
    }
}
