import AMQP
import Foundation
import Testing

extension BrokerTests {
    @Suite("A confirmed publisher")
    struct ConfirmedPublisherTests {
        @Test("ten thousand messages through a window of 256 arrive once each, all confirmed")
        func window() async throws {
            let configuration = await (try PrivateBroker.shared.value).configuration()
            let channel = try AMQPChannel(configuration: configuration)
            let queue = try await channel.makeQueue()
            let publisher = try ConfirmedPublisher(configuration: configuration)
            try await publisher.connect()
            let total: Int64 = 10_000
            var resolved: Set<Int64> = []
            var next: Int64 = 0
            while resolved.count < total {
                let room = 256 - (Int(next) - resolved.count)
                let end = min(total, next + Int64(room))
                let batch = (next..<end).map { publication($0, to: queue) }
                next = end
                let resolutions = try await publisher.exchange(batch, minimum: 64, wait: .seconds(10))
                try #require(!resolutions.isEmpty)
                for resolution in resolutions {
                    #expect(resolution.outcome == .confirmed)
                    #expect(resolution.confirmLatency > .zero)
                    #expect(resolved.insert(resolution.tag).inserted)
                }
            }
            let consumer = try Consumer(configuration: configuration, queue: queue, prefetch: 500)
            var received: Set<String> = []
            var count: Int64 = 0
            let stream = try await consumer.start()
            for try await delivery in stream {
                #expect(received.insert(delivery.properties.messageID ?? "").inserted)
                count += 1
                if count % 250 == 0 { try await consumer.acknowledge(delivery.tag, multiple: true) }
                if count == total { break }
            }
            #expect(received.count == Int(total))
            await consumer.close()
            await publisher.close()
            #expect(try await channel.passiveDeclare(queue: queue).messages == 0)
            try await channel.delete(queue: queue)
            await channel.close()
        }

        @Test("more than may be in flight is written as confirms come in; what finds no room in time is withheld, in order")
        func staged() async throws {
            try await withPublisher { publisher, queue in
                let many = try await publisher.exchange(
                    (0..<500).map { publication($0, to: queue) }, minimum: 500, wait: .seconds(10), inFlight: 20)
                #expect(many.count == 500 && many.allSatisfy { $0.outcome == .confirmed })
                #expect(Set(many.map(\.tag)) == Set(0..<500))
                var outcomes = try await publisher.exchange(
                    (500..<550).map { publication($0, to: queue) }, minimum: 0, wait: .zero, inFlight: 20)
                let withheld = outcomes.filter { $0.outcome == .withheld }.map(\.tag)
                #expect(!withheld.isEmpty && withheld.count <= 30 && withheld == Array(withheld[0]..<withheld[0] + Int64(withheld.count)))
                while outcomes.count < 50 { outcomes += try await publisher.exchange([], minimum: 1, wait: .seconds(10)) }
                #expect(outcomes.count { $0.outcome == .confirmed } == 50 - withheld.count)
            }
        }

        @Test("what no queue takes is returned, its neighbours are confirmed")
        func returned() async throws {
            try await withPublisher { publisher, queue in
                let batch = (0..<50).map { publication($0, to: $0 % 5 == 0 ? "no.such.queue" : queue) }
                let outcomes = try await publisher.exchange(batch, minimum: 50, wait: .seconds(10))
                #expect(outcomes.count == 50)
                for resolution in outcomes {
                    let expected: Resolution.Outcome = resolution.tag % 5 == 0 ? .returned(code: 312, text: "NO_ROUTE") : .confirmed
                    #expect(resolution.outcome == expected)
                }
            }
        }

        @Test("a full queue's refusals arrive one by one and leave the connection usable")
        func nacked() async throws {
            let limits: [(String, HeaderValue)] = [("x-max-length", .integer(10)), ("x-overflow", .string("reject-publish"))]
            try await withPublisher(queue: limits) { publisher, queue in
                var outcomes: [Resolution] = []
                for tag in 0..<40 {
                    outcomes += try await publisher.exchange([publication(Int64(tag), to: queue)], minimum: 1, wait: .seconds(10))
                }
                #expect(outcomes.map(\.tag) == Array(0..<40))
                #expect(outcomes.first?.outcome == .confirmed)
                #expect(outcomes.last?.outcome == .nacked)
                #expect(publisher.state == .connected)
            }
        }

        @Test("a missing exchange is named, what was in flight is listed, and connecting again works")
        func missingExchange() async throws {
            try await withPublisher { publisher, queue in
                let good = try await publisher.exchange([publication(1, to: queue)], minimum: 1, wait: .seconds(10))
                #expect(good.map(\.outcome) == [.confirmed])
                let batch = [publication(2, to: queue), publication(3, to: "k", exchange: "no.such.exchange"), publication(4, to: queue)]
                let error = try await failure { () async throws(AMQPError) in
                    try await publisher.exchange(batch, minimum: 3, wait: .seconds(10))
                }
                #expect(error.kind == .notFound)
                #expect(error.replyCode == 404)
                #expect(error.exchange == "no.such.exchange")
                #expect(!error.isRetriable)
                #expect(error.unresolved.contains(3) && error.unresolved.contains(4))
                #expect((error.unresolved + error.resolutions.map(\.tag)).sorted() == [2, 3, 4])
                #expect(publisher.state == .disconnected)

                let again = try await failure { () async throws(AMQPError) in
                    try await publisher.exchange([publication(5, to: queue)], minimum: 1, wait: .seconds(1))
                }
                #expect(again.kind == .notConnected)
                #expect(again.unresolved == [5])
                try await publisher.connect()
                let outcome = try await publisher.exchange([publication(5, to: queue)], minimum: 1, wait: .seconds(10))
                #expect(outcome.map(\.outcome) == [.confirmed])
            }
        }

        @Test("a message that the protocol cannot carry does not harm its neighbours")
        func invalid() async throws {
            try await withPublisher { publisher, queue in
                var batch = (1...3).map { publication($0, to: queue) }
                batch[1].properties.type = String(repeating: "t", count: 256)
                let outcomes = try await publisher.exchange(batch, minimum: 3, wait: .seconds(10))
                #expect(Set(outcomes.map(\.tag)) == [1, 2, 3])
                for resolution in outcomes where resolution.tag != 2 { #expect(resolution.outcome == .confirmed) }
                #expect(outcomes.first { $0.tag == 2 }?.outcome == .invalid(reason: "the type is longer than 255 bytes"))
            }
        }

        @Test("stays connected through three silent heartbeats")
        func idle() async throws {
            try await withPublisher(heartbeat: 1) { publisher, queue in
                try await Task.sleep(for: .milliseconds(3_500))
                #expect(publisher.state == .connected)
                let outcome = try await publisher.exchange([publication(1, to: queue)], minimum: 1, wait: .seconds(10))
                #expect(outcome.map(\.outcome) == [.confirmed])
            }
        }

        @Test("outcomes that arrive between two calls are reported by the next")
        func late() async throws {
            try await withPublisher { publisher, queue in
                var outcomes = try await publisher.exchange([publication(1, to: queue)], minimum: 0, wait: .zero)
                try await eventually("the outcome is reported") {
                    outcomes += try await publisher.exchange([], minimum: 0, wait: .zero)
                    return !outcomes.isEmpty
                }
                #expect(outcomes.map(\.tag) == [1])
            }
        }

        @Test("with nothing in flight, waiting for outcomes ends at once")
        func nothingInFlight() async throws {
            try await withPublisher { publisher, _ in
                let start = ContinuousClock.now
                let outcomes = try await publisher.exchange([], minimum: 1, wait: .seconds(60))
                #expect(outcomes.isEmpty)
                #expect(start.duration(to: .now) < .seconds(10))
            }
        }

        @Test("is refused with a wrong password, and says so without repeating it")
        func wrongPassword() async throws {
            let configuration = await (try PrivateBroker.shared.value).configuration(password: "not-the-word")
            let publisher = try ConfirmedPublisher(configuration: configuration)
            let error = try await failure { () async throws(AMQPError) in try await publisher.connect() }
            #expect(error.kind == .authenticationRefused)
            #expect(!error.description.contains("not-the-word"))
            await publisher.close()
        }

        @Test("knows a port where nothing listens, an unknown host and an unknown virtual host apart")
        func elsewhere() async throws {
            var configuration = await (try PrivateBroker.shared.value).configuration()
            configuration.virtualHost = "nowhere"
            #expect(try await connectionError(configuration).kind == .connectionClosed(code: 530))
            configuration.port = 1
            #expect(try await connectionError(configuration).kind == .connectionRefused)
            configuration.host = "broker.invalid"
            #expect(try await connectionError(configuration).kind == .hostNotFound)
        }

        @Test("answers every call after close")
        func closed() async throws {
            try await withPublisher { publisher, queue in
                await publisher.close()
                let error = try await failure { () async throws(AMQPError) in
                    try await publisher.exchange([publication(1, to: queue)], minimum: 1, wait: .seconds(1))
                }
                #expect(error.kind == .closed)
                #expect(error.unresolved == [1])
                #expect(try await failure { () async throws(AMQPError) in try await publisher.connect() }.kind == .closed)
            }
        }

        @Test("leaves no thread behind, closed or merely dropped")
        func threads() async throws {
            let configuration = await (try PrivateBroker.shared.value).configuration()
            let before = try publisherThreads()
            for round in 0..<10 {
                let publisher = try ConfirmedPublisher(configuration: configuration)
                try await publisher.connect()
                if round.isMultiple(of: 2) { await publisher.close() }
            }
            try await eventually("the threads have ended") { try publisherThreads() == before }
        }

        private func publisherThreads() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").filter { thread in
                let name = try? String(contentsOfFile: "/proc/self/task/\(thread)/comm", encoding: .utf8)
                return name?.hasPrefix("amqp-publisher") == true
            }.count
        }

        private func connectionError(_ configuration: AMQPConfiguration) async throws -> AMQPError {
            let publisher = try ConfirmedPublisher(configuration: configuration)
            let error = try await failure { () async throws(AMQPError) in try await publisher.connect() }
            await publisher.close()
            return error
        }
    }
}

/// A connected publisher and a queue for it, both gone afterwards.
func withPublisher(
    heartbeat: Int = 15,
    queue arguments: [(String, HeaderValue)] = [],
    _ body: (ConfirmedPublisher, String) async throws -> Void
) async throws {
    let configuration = await (try PrivateBroker.shared.value).configuration(heartbeat: heartbeat)
    let channel = try AMQPChannel(configuration: configuration)
    let queue = try await channel.makeQueue(arguments)
    let publisher = try ConfirmedPublisher(configuration: configuration)
    try await publisher.connect()
    try await body(publisher, queue)
    await publisher.close()
    try await channel.delete(queue: queue)
    await channel.close()
}
