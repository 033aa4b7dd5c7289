import Curl
import Open311
import Testing

@testable import Bus

extension WithBroker {
    @Suite("The broker's doctor", .timeLimit(.minutes(5)))
    struct BrokerDoctorTests {
        /// What is said of one tenant's objects; the broker's own state is shared by the tests.
        private func examine(_ fixture: BrokerFixture, _ tenant: BusTenant) async -> [Finding] {
            await BrokerDoctor(provisioner: fixture.provisioner).examine([tenant]).filter {
                [.tenantDrift, .installationDrift, .policyNotEffective, .deadLetters, .virtualHostMissing].contains($0.code)
            }
        }

        @Test("finds nothing wrong with a tenant just made")
        func healthy() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                #expect(await examine(fixture, tenant) == [])
            }
        }

        @Test("names a missing virtual host and the command that makes it")
        func missingVirtualHost() async throws {
            try await withBroker { fixture in
                let findings = await examine(fixture, try fixture.tenant())
                #expect(findings.map(\.code) == [.virtualHostMissing])
                #expect(findings.first?.remedy.contains("bus311 tenant apply") == true)
            }
        }

        @Test("names drift, once, and the command that repairs it")
        func drift() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                let broker = fixture.provisioner.broker
                try await fixture.provisioner.apply(tenant)
                try await broker.delete(["policies", tenant.virtualHost, "o311-receipts"])
                try await broker.deletePermission(of: tenant.topology.user(.a), in: tenant.virtualHost)
                let findings = await examine(fixture, tenant)
                let codes = findings.map(\.code)
                #expect(Set(codes) == [.installationDrift, .tenantDrift, .policyNotEffective])
                #expect(codes.count == 3)
                let drift = findings.first { $0.code == .tenantDrift }
                #expect(drift?.remedy == "bus311 tenant apply \(tenant.key)")
            }
        }

        @Test("sees when another policy wins over a queue and drops what keeps messages safe")
        func ineffectivePolicy() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                let careless = Policy(
                    name: "careless",
                    pattern: "requests$",
                    appliesTo: "queues",
                    priority: 99,
                    definition: ["max-length": 9]
                )
                try await fixture.provisioner.broker.put(careless, isOperators: false, in: tenant.virtualHost)
                let findings = await examine(fixture, tenant)
                #expect(findings.map(\.code) == [.policyNotEffective])
                #expect(findings.first?.severity == .error)
                #expect(findings.first?.problem.contains("overflow is absent") == true)
            }
        }

        @Test("counts the dead letters that wait")
        func deadLetters() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                try await fixture.publish("bad", to: "amq.default", key: tenant.topology.deadQueue)
                try await fixture.waitForMessages(1, in: tenant)
                let findings = await examine(fixture, tenant)
                #expect(findings.map(\.code) == [.deadLetters])
                #expect(findings.first?.problem == "1 messages wait in \(tenant.topology.deadQueue)")
            }
        }

        @Test("names a queue that nobody consumes, a user whose password everybody knows, and nothing of what is well")
        func consumersAndDefaultUser() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                let broker = fixture.provisioner.broker
                try await fixture.provisioner.apply(tenant)
                try await broker.putUser("guest", passwordHash: "")
                try await fixture.wait {
                    let requests = try await broker.consumerCount(of: tenant.topology.requestQueue, in: tenant.virtualHost)
                    let statuses = try await broker.consumerCount(of: tenant.topology.statusQueue, in: tenant.virtualHost)
                    return requests == 0 && statuses == 0
                }
                let findings = await BrokerDoctor(provisioner: fixture.provisioner).examine([tenant])
                try await broker.deleteUser("guest")
                #expect(findings.map(\.code).sorted { $0.rawValue < $1.rawValue } == [.defaultUser, .noConsumer, .noConsumer])
                #expect(findings.first { $0.code == .defaultUser }?.remedy == "rabbitmqctl delete_user guest")
            }
        }

        @Test("says of a broker that does not answer only that")
        func unreachable() async throws {
            let client = try HTTPClient(name: "test-doctor")
            let broker = BrokerAdministration(
                client: client,
                baseURL: "http://127.0.0.1:9",
                credentials: BasicAuthentication(user: "u", password: "canary")
            )
            let tenant = BusTenant(key: try TenantKey(validating: "x1-aaaaaa"), virtualHost: "v")
            let findings = await BrokerDoctor(provisioner: Provisioner(broker: broker)).examine([tenant])
            #expect(findings.map(\.code) == [.brokerUnreachable])
            #expect(!"\(findings)".contains("canary"))
            await client.close()
        }
    }
}
