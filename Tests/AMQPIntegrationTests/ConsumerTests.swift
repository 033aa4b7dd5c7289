import AMQP
import Testing

extension BrokerTests {
    @Suite("A consumer")
    struct ConsumerTests {
        @Test("receives a message as it was published")
        func faithful() async throws {
            try await withPublisher { publisher, queue in
                let consumer = try await makeConsumer(queue)
                let stream = try await consumer.start()
                // More than two frames, one byte, nothing.
                let bodies: [[UInt8]] = [(0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }, [7], []]
                var sent = bodies.enumerated().map { publication(Int64($0), to: queue, body: $1) }
                sent[0].properties = MessageProperties(
                    messageID: "first",
                    correlationID: "2611000004217",
                    type: "service_request.created.v1",
                    contentType: "application/cloudevents+json; charset=utf-8",
                    timestamp: 1_790_000_000,
                    appID: "bus311/1",
                    replyTo: "o311.lyon-a1b2c3.status",
                    headers: [
                        ("ce-subject", .string("Élise 😀")), ("x-o311-attempt", .integer(-3)), ("replayed", .boolean(true)),
                        ("empty", .string("")),
                    ]
                )
                _ = try await publisher.exchange(sent, minimum: 3, wait: .seconds(10))
                var deliveries: [Delivery] = []
                for try await delivery in stream {
                    deliveries.append(delivery)
                    if deliveries.count == bodies.count { break }
                }
                #expect(deliveries.map(\.body) == bodies)
                let first = deliveries[0]
                #expect(first.routingKey == queue && first.exchange.isEmpty && !first.redelivered && first.userID == nil)
                #expect(first.properties.messageID == "first")
                #expect(first.properties.correlationID == "2611000004217")
                #expect(first.properties.type == "service_request.created.v1")
                #expect(first.properties.contentType == "application/cloudevents+json; charset=utf-8")
                #expect(first.properties.deliveryMode == .persistent)
                #expect(first.properties.timestamp == 1_790_000_000)
                #expect(first.properties.appID == "bus311/1")
                #expect(first.properties.replyTo == "o311.lyon-a1b2c3.status")
                #expect(first.properties.header("ce-subject") == .string("Élise 😀"))
                #expect(first.properties.header("x-o311-attempt") == .integer(-3))
                #expect(first.properties.header("replayed") == .boolean(true))
                #expect(first.properties.header("empty") == .string(""))
                await consumer.close()
            }
        }

        @Test("what it does not acknowledge is delivered again, and counted; what it acknowledges or rejects is not")
        func redelivery() async throws {
            try await withPublisher { publisher, queue in
                _ = try await publisher.exchange((1...3).map { publication($0, to: queue) }, minimum: 3, wait: .seconds(10))
                let first = try await makeConsumer(queue)
                var tags: [UInt64] = []
                let stream = try await first.start()
                for try await delivery in stream {
                    tags.append(delivery.tag)
                    if tags.count == 3 { break }
                }
                try await first.acknowledge(tags[0], multiple: false)
                try await first.reject(tags[2], requeue: false)
                await first.close()

                let second = try await makeConsumer(queue)
                let again = try await second.start()
                for try await delivery in again {
                    #expect(delivery.properties.messageID == "message-2")
                    #expect(delivery.redelivered)
                    #expect(delivery.properties.header("x-delivery-count") == .integer(1))
                    try await second.acknowledge(delivery.tag, multiple: false)
                    break
                }
                await second.close()
                let channel = try AMQPChannel(configuration: await (try PrivateBroker.shared.value).configuration())
                // The broker notices a moment later that the consumer is gone.
                try await eventually("nothing is left") {
                    try await channel.passiveDeclare(queue: queue) == QueueDepth(messages: 0, consumers: 0)
                }
                await channel.close()
            }
        }

        @Test("is never given more than its prefetch")
        func prefetch() async throws {
            try await withPublisher { publisher, queue in
                _ = try await publisher.exchange((1...10).map { publication($0, to: queue) }, minimum: 10, wait: .seconds(10))
                let configuration = await (try PrivateBroker.shared.value).configuration()
                let consumer = try Consumer(configuration: configuration, queue: queue, prefetch: 4)
                let channel = try AMQPChannel(configuration: configuration)
                let stream = try await consumer.start()
                try await eventually("four are out") { try await channel.passiveDeclare(queue: queue).messages == 6 }
                var count = 0
                for try await delivery in stream {
                    count += 1
                    try await consumer.acknowledge(delivery.tag, multiple: false)
                    if count == 10 { break }
                }
                await consumer.close()
                await channel.close()
            }
        }

        @Test("learns that its queue was deleted")
        func cancelled() async throws {
            let configuration = await (try PrivateBroker.shared.value).configuration()
            let channel = try AMQPChannel(configuration: configuration)
            let queue = try await channel.makeQueue()
            let consumer = try await makeConsumer(queue)
            let stream = try await consumer.start()
            try await channel.delete(queue: queue)
            let error = await #expect(throws: AMQPError.self) { for try await _ in stream {} }
            #expect(error?.kind == .consumerCancelled)
            #expect(error?.queue == queue)
            #expect(try await failure { () async throws(AMQPError) in try await consumer.start() }.kind == .notFound)
            await consumer.close()
            await channel.close()
        }

        @Test("of several queues is told which one the broker refuses, at the start and later")
        func refusedAmongSeveral() async throws {
            let configuration = await (try PrivateBroker.shared.value).configuration()
            let channel = try AMQPChannel(configuration: configuration)
            let queue = try await channel.makeQueue()
            let several = try Consumer(configuration: configuration, queues: [queue, "no.such.queue"], prefetch: 1)
            let stream = try await several.start()
            let error = await #expect(throws: AMQPError.self) { for try await _ in stream {} }
            #expect(error?.kind == .notFound)
            #expect(error?.queue == "no.such.queue")
            await several.close()

            let growing = try await makeConsumer(queue)
            let grown = try await growing.start()
            let other = try await channel.makeQueue()
            try await growing.add(queue: other)
            try await eventually("the added one is consumed") { try await channel.passiveDeclare(queue: other).consumers == 1 }
            try await growing.add(queue: "no.such.queue")
            let later = await #expect(throws: AMQPError.self) { for try await _ in grown {} }
            #expect(later?.queue == "no.such.queue")
            await growing.close()
            for name in [queue, other] { try await channel.delete(queue: name) }
            await channel.close()
        }

        @Test("when its stream is dropped, the broker takes the messages back")
        func dropped() async throws {
            try await withPublisher { publisher, queue in
                let channel = try AMQPChannel(configuration: await (try PrivateBroker.shared.value).configuration())
                _ = try await publisher.exchange([publication(1, to: queue)], minimum: 1, wait: .seconds(10))
                let consumer = try await makeConsumer(queue)
                for try await _ in try await consumer.start() { break }
                try await eventually("the message is back") {
                    try await channel.passiveDeclare(queue: queue) == QueueDepth(messages: 1, consumers: 0)
                }
                await consumer.close()
                await channel.close()
            }
        }

        @Test("when its task is cancelled, the broker takes the messages back")
        func abandoned() async throws {
            try await withPublisher { publisher, queue in
                let configuration = await (try PrivateBroker.shared.value).configuration()
                let channel = try AMQPChannel(configuration: configuration)
                let consumer = try await makeConsumer(queue)
                let stream = try await consumer.start()
                let task = Task { for try await _ in stream {} }
                _ = try await publisher.exchange([publication(1, to: queue)], minimum: 1, wait: .seconds(10))
                task.cancel()
                try await eventually("the message is back") {
                    try await channel.passiveDeclare(queue: queue) == QueueDepth(messages: 1, consumers: 0)
                }
                await consumer.close()
                await channel.close()
            }
        }

        @Test("keeps others out of a classic queue when exclusive")
        func exclusive() async throws {
            let configuration = await (try PrivateBroker.shared.value).configuration()
            let channel = try AMQPChannel(configuration: configuration)
            let queue = "test.exclusive"
            try await channel.declare(queue: queue, arguments: [("x-queue-type", .string("classic"))])
            let consumer = try Consumer(configuration: configuration, queue: queue, prefetch: 1, exclusive: true)
            let stream = try await consumer.start()
            let other = try await makeConsumer(queue)
            #expect(try await failure { () async throws(AMQPError) in try await other.start() }.kind == .accessRefused)
            withExtendedLifetime(stream) {}
            await other.close()
            await consumer.close()
            try await channel.delete(queue: queue)
            await channel.close()
        }

        @Test("stays connected through three silent heartbeats")
        func idle() async throws {
            try await withPublisher { publisher, queue in
                let configuration = await (try PrivateBroker.shared.value).configuration(heartbeat: 1)
                let consumer = try Consumer(configuration: configuration, queue: queue, prefetch: 1)
                let stream = try await consumer.start()
                try await Task.sleep(for: .milliseconds(3_500))
                _ = try await publisher.exchange([publication(1, to: queue)], minimum: 1, wait: .seconds(10))
                for try await delivery in stream {
                    #expect(delivery.properties.messageID == "message-1")
                    break
                }
                await consumer.close()
            }
        }

        private func makeConsumer(_ queue: String) async throws -> Consumer {
            try Consumer(configuration: await (try PrivateBroker.shared.value).configuration(), queue: queue, prefetch: 100)
        }
    }
}
