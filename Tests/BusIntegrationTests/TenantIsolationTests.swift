import AMQP
import Open311
import Testing

@testable import Bus

extension WithBroker {
    /// What a tenant's own credential can do over AMQP: its work, and nothing to anybody else.
    @Suite("A tenant's user on a real broker", .timeLimit(.minutes(5)))
    struct TenantIsolationTests {
        @Test("consumes its requests, publishes its statuses, and its dead letters keep their routing key")
        func worksForItself() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                let names = tenant.topology
                let login = try await fixture.login(tenant, slot: .a)
                try await fixture.publish("a request", to: names.outExchange, key: names.routingKey(.created))

                let channel = try AMQPChannel(configuration: login)
                let delivery = try #require(try await channel.get(queue: names.requestQueue))
                #expect(delivery.body == Array("a request".utf8))
                try await channel.reject(delivery.tag, requeue: false)
                await channel.close()
                #expect(try await outcome(publishing: names.statusUpdateKey, to: names.statusExchange, as: login) == .confirmed)

                let operatorLogin = try await fixture.operatorLogin()
                let dead = try await fixture.take(from: names.deadQueue, as: operatorLogin)
                #expect(dead.routingKey == names.routingKey(.created))
                let status = try await fixture.take(from: names.statusQueue, as: operatorLogin)
                #expect(status.exchange == names.statusExchange, "the broker says who sent it")
            }
        }

        @Test("can do nothing to another tenant, to shared objects, or to its own beyond its work")
        func nothingElse() async throws {
            try await withBroker { fixture in
                let own = try fixture.tenant()
                let other = try fixture.tenant()
                for tenant in [own, other] { try await fixture.provisioner.apply(tenant) }
                let login = try await fixture.login(own, slot: .a)
                let before = try await fixture.provisioner.plan(other)

                let foreignQueues = other.topology.queues + [SharedTopology.statusDeadQueue, SharedTopology.strayQueue]
                for queue in foreignQueues + [own.topology.deadQueue, own.topology.statusQueue] {
                    await expectRefused("get \(queue)", as: login) { _ = try await $0.get(queue: queue) }
                    await expectRefused("purge \(queue)", as: login) { _ = try await $0.purge(queue: queue) }
                    await expectRefused("bind \(queue)", as: login) {
                        try await $0.bind(queue: queue, to: own.topology.outExchange, routingKey: "#")
                    }
                }
                for queue in foreignQueues + own.topology.queues + ["anything"] {
                    await expectRefused("delete \(queue)", as: login) { try await $0.delete(queue: queue) }
                    await expectRefused("declare \(queue)", as: login) { try await $0.declare(queue: queue) }
                }
                let shared = [SharedTopology.deadLetterExchange, SharedTopology.statusDeadLetterExchange, SharedTopology.strayExchange]
                for exchange in own.topology.exchanges + other.topology.exchanges + shared {
                    await expectRefused("delete \(exchange)", as: login) { try await $0.delete(exchange: exchange) }
                    await expectRefused("declare \(exchange)", as: login) { try await $0.declare(exchange: exchange, type: "topic") }
                    await expectRefused("bind to \(exchange)", as: login) {
                        try await $0.bind(queue: own.topology.requestQueue, to: exchange, routingKey: "#")
                    }
                }
                #expect(try await fixture.provisioner.plan(other) == before)
                #expect(try await fixture.provisioner.plan(own).isEmpty)
            }
        }

        @Test("can publish nowhere but to its own status exchange, and there with its own key only")
        func publishesNowhereElse() async throws {
            try await withBroker { fixture in
                let own = try fixture.tenant()
                let other = try fixture.tenant()
                for tenant in [own, other] { try await fixture.provisioner.apply(tenant) }
                let login = try await fixture.login(own, slot: .a)
                let elsewhere = [
                    "", "amq.topic", "amq.fanout", own.topology.outExchange, SharedTopology.deadLetterExchange,
                    SharedTopology.strayExchange,
                ]
                for exchange in elsewhere + other.topology.exchanges {
                    for key in [other.topology.requestQueue, other.topology.statusUpdateKey, own.topology.statusUpdateKey] {
                        #expect(try await outcome(publishing: key, to: exchange, as: login) == .refused, "\(key) to \(exchange)")
                    }
                }
                let foreignKeys = [
                    other.topology.statusUpdateKey, "x\(own.topology.statusUpdateKey)", own.topology.routingKey(.created),
                    "\(own.key)xstatus_update.v1", "#", "",
                ]
                for key in foreignKeys {
                    #expect(try await outcome(publishing: key, to: own.topology.statusExchange, as: login) == .refused, "\(key)")
                }
                for tenant in [own, other] {
                    let totals = try await fixture.provisioner.broker.queueTotals(of: tenant.topology, in: tenant.virtualHost)
                    #expect(totals.allSatisfy { $0.messages == 0 })
                }
            }
        }

        @Test("cannot enter another virtual host")
        func staysInVirtualHost() async throws {
            try await withBroker { first in
                try await withBroker { second in
                    let tenant = try first.tenant()
                    try await first.provisioner.apply(tenant)
                    try await second.provisioner.applyInstallation(virtualHost: second.virtualHost)
                    var login = try await first.login(tenant, slot: .a)
                    login.virtualHost = second.virtualHost
                    let channel = try AMQPChannel(configuration: login)
                    await #expect(throws: AMQPError.self) { try await channel.passiveDeclare(exchange: SharedTopology.strayExchange) }
                    await channel.close()
                }
            }
        }

        @Test("is seen while connected, and cut off when its credential is revoked")
        func revokingCuts() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                let channel = try AMQPChannel(configuration: try await fixture.login(tenant, slot: .a))
                #expect(try await channel.get(queue: tenant.topology.requestQueue) == nil)
                try await fixture.wait {
                    let connections = try await fixture.provisioner.credentials(tenant).first?.connections
                    return connections?.count == 1 && connections?.first?.connectedAt != nil && connections?.first?.clientName == "bus311"
                }
                try await fixture.provisioner.revokeCredential(tenant, slot: .a)
                try await fixture.wait {
                    do {
                        _ = try await channel.get(queue: tenant.topology.requestQueue)
                        return false
                    } catch {
                        return true
                    }
                }
                await #expect(throws: AMQPError.self) { _ = try await channel.get(queue: tenant.topology.requestQueue) }
                await channel.close()
            }
        }

        // MARK: One attempt

        private enum Outcome: Equatable { case confirmed, refused, other(String) }

        /// Each attempt has a connection of its own: the broker closes the channel that tries what it may not.
        private func expectRefused(
            _ what: String,
            as login: AMQPConfiguration,
            _ attempt: (AMQPChannel) async throws -> Void
        ) async {
            do {
                let channel = try AMQPChannel(configuration: login)
                do {
                    try await attempt(channel)
                    Issue.record("\(what) was allowed")
                } catch let error as AMQPError {
                    #expect(error.kind == .accessRefused, "\(what): \(error)")
                }
                await channel.close()
            } catch {
                Issue.record("\(what): \(error)")
            }
        }

        private func outcome(publishing key: String, to exchange: String, as login: AMQPConfiguration) async throws -> Outcome {
            let publisher = try ConfirmedPublisher(configuration: login)
            let publication = Publication(
                tag: 1,
                exchange: exchange,
                routingKey: key,
                body: Array("{}".utf8),
                properties: MessageProperties(messageID: "m")
            )
            let result: Outcome
            do throws(AMQPError) {
                try await publisher.connect()
                let resolutions = try await publisher.exchange([publication], minimum: 1, wait: .seconds(10))
                result = resolutions.first?.outcome == .confirmed ? .confirmed : .other("\(resolutions)")
            } catch {
                result = error.kind == .accessRefused ? .refused : .other("\(error)")
            }
            await publisher.close()
            return result
        }
    }
}
