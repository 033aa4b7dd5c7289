import AMQP
import Testing

#if canImport(Glibc)
    import Glibc
#endif

extension BrokerTests {
    @Suite("When the broker misbehaves")
    struct BrokerFaultTests {
        @Test("a frozen broker is noticed within a few heartbeats, while waiting for confirms")
        func frozenWhileWaiting() async throws {
            let broker = try await PrivateBroker.shared.value
            try await withPublisher(heartbeat: 2) { publisher, queue in
                try await broker.frozen {
                    let start = ContinuousClock.now
                    let error = try await failure { () async throws(AMQPError) in
                        try await publisher.exchange([publication(1, to: queue)], minimum: 1, wait: .seconds(60))
                    }
                    #expect(error.kind == .heartbeatTimeout)
                    #expect(error.unresolved == [1])
                    #expect(error.isRetriable)
                    #expect(start.duration(to: .now) < .seconds(20), "not the wait of 60 s")
                }
                try await publisher.connect()
                let outcome = try await publisher.exchange([publication(1, to: queue)], minimum: 1, wait: .seconds(10))
                #expect(outcome.map(\.outcome) == [.confirmed])
            }
        }

        @Test("a frozen broker is noticed between calls too, and the next call tells")
        func frozenWhileIdle() async throws {
            let broker = try await PrivateBroker.shared.value
            try await withPublisher(heartbeat: 2) { publisher, queue in
                try await broker.frozen {
                    try await eventually("the state shows it") { publisher.state == .disconnected }
                }
                let error = try await failure { () async throws(AMQPError) in
                    try await publisher.exchange([publication(1, to: queue)], minimum: 1, wait: .seconds(1))
                }
                #expect(error.kind == .heartbeatTimeout)
                #expect(error.unresolved == [1])
            }
        }

        @Test("a write that a frozen broker does not take is cut by the watchdog, not waited for")
        func watchdog() async throws {
            let broker = try await PrivateBroker.shared.value
            var configuration = await broker.configuration(heartbeat: 600)
            configuration.publishTimeout = .seconds(1)
            let publisher = try ConfirmedPublisher(configuration: configuration)
            try await publisher.connect()
            try await broker.frozen {
                let body = [UInt8](repeating: 0, count: 1 << 20)
                let batch = (0..<64).map { publication($0, to: "any", body: body) }
                let start = ContinuousClock.now
                let error = try await failure { () async throws(AMQPError) in
                    try await publisher.exchange(batch, minimum: 64, wait: .seconds(60))
                }
                #expect(error.kind == .blockedTooLong)
                #expect(error.unresolved == Array(0..<64))
                #expect(start.duration(to: .now) < .seconds(30))
            }
            await publisher.close()
        }

        @Test("connecting to a frozen broker ends with the handshake timeout")
        func frozenHandshake() async throws {
            let broker = try await PrivateBroker.shared.value
            var configuration = await broker.configuration()
            configuration.handshakeTimeout = .milliseconds(700)
            let publisher = try ConfirmedPublisher(configuration: configuration)
            try await broker.frozen {
                let start = ContinuousClock.now
                let error = try await failure { () async throws(AMQPError) in try await publisher.connect() }
                #expect(error.kind == .timeout)
                #expect(start.duration(to: .now) < .seconds(20))
            }
            await publisher.close()
        }

        @Test("a memory alarm shows as blocked, withholds what comes, and passes")
        func blocked() async throws {
            let broker = try await PrivateBroker.shared.value
            try await withPublisher { publisher, queue in
                var outcomes: [Resolution] = []
                try await broker.inMemoryAlarm {
                    // The broker speaks up only when somebody publishes.
                    outcomes += try await publisher.exchange([publication(1, to: queue)], minimum: 1, wait: .seconds(10))
                    try await eventually("the alarm shows") { publisher.isBlocked }
                    guard case .blocked(let reason, _) = publisher.state else { return }
                    #expect(reason.contains("memory"))
                    outcomes += try await publisher.exchange([publication(2, to: queue)], minimum: 1, wait: .seconds(1))
                    #expect(outcomes.first { $0.tag == 2 }?.outcome == .withheld)
                }
                try await eventually("the alarm passes") { publisher.state == .connected }
                outcomes += try await publisher.exchange([publication(3, to: queue)], minimum: 2, wait: .seconds(10))
                #expect(outcomes.filter { $0.outcome == .confirmed }.map(\.tag).sorted() == [1, 3])
            }
        }

        @Test("an alarm longer than the publish timeout does not cost the connection, even with messages under way")
        func longAlarm() async throws {
            let broker = try await PrivateBroker.shared.value
            let channel = try AMQPChannel(configuration: await broker.configuration())
            let queue = try await channel.makeQueue()
            var configuration = await broker.configuration(heartbeat: 2)
            configuration.publishTimeout = .seconds(1)
            let publisher = try ConfirmedPublisher(configuration: configuration)
            try await publisher.connect()
            var outcomes: [Resolution] = []
            try await broker.inMemoryAlarm {
                let batch = (0..<256).map { publication($0, to: queue, body: [UInt8](repeating: 0, count: 4_096)) }
                outcomes += try await publisher.exchange(batch, minimum: 256, wait: .seconds(10))
                try await eventually("the alarm shows") { publisher.isBlocked }
                try await Task.sleep(for: .seconds(6))
                #expect(publisher.isBlocked)
            }
            try await eventually("the alarm passes") { publisher.state == .connected }
            while outcomes.count < 256 {
                let more = try await publisher.exchange([], minimum: 1, wait: .seconds(10))
                try #require(!more.isEmpty)
                outcomes += more
            }
            #expect(Set(outcomes.map(\.tag)).count == 256)
            await publisher.close()
            try await channel.delete(queue: queue)
            await channel.close()
        }

        @Test("a killed broker is an error at once, for publisher and consumer")
        func killed() async throws {
            let broker = try await PrivateBroker()
            let configuration = await broker.configuration()
            let channel = try AMQPChannel(configuration: configuration)
            let queue = try await channel.makeQueue()
            await channel.close()
            let publisher = try ConfirmedPublisher(configuration: configuration)
            try await publisher.connect()
            let consumer = try Consumer(configuration: configuration, queue: queue, prefetch: 10)
            let stream = try await consumer.start()
            try await broker.signal(SIGKILL)
            let start = ContinuousClock.now
            let ending = await #expect(throws: AMQPError.self) { for try await _ in stream {} }
            #expect(ending?.kind == .connectionLost)
            let error = try await failure { () async throws(AMQPError) in
                try await publisher.exchange([publication(1, to: queue)], minimum: 1, wait: .seconds(60))
            }
            #expect(error.kind == .connectionLost)
            #expect(error.unresolved == [1])
            #expect(start.duration(to: .now) < .seconds(20))
            #expect(try await failure { () async throws(AMQPError) in try await publisher.connect() }.kind == .connectionRefused)
            await publisher.close()
            await consumer.close()
        }
    }
}
