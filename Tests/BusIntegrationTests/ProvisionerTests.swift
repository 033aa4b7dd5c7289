import Curl
import Open311
import PrivateServers
import Testing

@testable import Bus

extension WithBroker {
    @Suite("Provisioning on a real broker", .timeLimit(.minutes(5)))
    struct ProvisionerTests {
        @Test("makes everything in an empty virtual host, and then has nothing to change")
        func applies() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                let first = try await fixture.provisioner.plan(tenant)
                #expect(first.changes.first?.object == .virtualHost)
                try await fixture.provisioner.apply(tenant)
                #expect(try await fixture.provisioner.plan(tenant).description == "nothing to change")
                #expect(try await fixture.provisioner.apply(tenant).isEmpty)
            }
        }

        @Test("finds the virtual host that broker-config makes at boot as it should be, and fills it for a tenant")
        func standardVirtualHost() async throws {
            try await withBroker(virtualHost: PrivateRabbitMQ.vhost) { fixture in
                #expect(
                    try await fixture.provisioner.planInstallation(virtualHost: PrivateRabbitMQ.vhost).description == "nothing to change"
                )
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                #expect(try await fixture.provisioner.plan(tenant).isEmpty)
                try await fixture.provisioner.delete(tenant)
            }
        }

        @Test("two tenants share a virtual host, and each sees only its own differences")
        func sharesVirtualHost() async throws {
            try await withBroker { fixture in
                let first = try fixture.tenant()
                let second = try fixture.tenant()
                try await fixture.provisioner.apply(first)
                let plan = try await fixture.provisioner.plan(second)
                #expect(plan.changes.allSatisfy { $0.name.contains(second.key.rawValue) }, "\(plan)")
                try await fixture.provisioner.apply(second)
                #expect(try await fixture.provisioner.plan(first).isEmpty)
            }
        }

        @Test("shows exactly what was damaged, and repairs it")
        func repairs() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                let names = tenant.topology
                let broker = fixture.provisioner.broker
                try await fixture.provisioner.apply(tenant)

                func expect(_ changes: [String], after damage: () async throws -> Void) async throws {
                    try await damage()
                    let plan = try await fixture.provisioner.plan(tenant)
                    #expect(plan.changes.map(\.description) == changes)
                    try await fixture.provisioner.apply(tenant)
                    #expect(try await fixture.provisioner.plan(tenant).description == "nothing to change")
                }

                try await expect(["+ binding \(names.outExchange) → \(names.requestQueue) (\(tenant.key).service_request.#)"]) {
                    let bindings = try await broker.bindings(ofQueue: names.requestQueue, in: tenant.virtualHost)
                    let binding = try #require(bindings.first { $0.binding.routingKey.hasSuffix("service_request.#") })
                    try await broker.delete(binding, in: tenant.virtualHost)
                }
                try await expect(["- binding \(names.outExchange) → spy (#.x): it is not ours"]) {
                    try await broker.put(Queue(name: "spy", arguments: [:]), in: tenant.virtualHost)
                    try await broker.add(Binding(exchange: names.outExchange, queue: "spy", routingKey: "#.x"), in: tenant.virtualHost)
                }
                try await expect(["~ policy o311-requests: max-length is 5, wanted 200000"]) {
                    var policy = try #require([Policy].standard.first)
                    policy.definition["max-length"] = 5
                    try await broker.put(policy, isOperators: false, in: tenant.virtualHost)
                }
                try await expect(["+ permission \(names.user(.a))"]) {
                    try await broker.deletePermission(of: names.user(.a), in: tenant.virtualHost)
                }
                try await expect(["+ topic permission \(names.user(.a))"]) {
                    try await broker.deleteTopicPermissions(of: names.user(.a), in: tenant.virtualHost)
                }
                try await expect(["~ limits \(names.user(.a)): max-connections is 500, wanted 5"]) {
                    try await broker.put(UserLimits(user: names.user(.a), maximumConnections: 500, maximumChannels: 25))
                }
                try await expect(["~ user \(names.user(.a)): it has the tags monitoring, wanted none"]) {
                    try await broker.put(["users", names.user(.a)], ["password_hash": "", "tags": "monitoring"] as BrokerArguments)
                }
                try await expect([
                    "+ exchange \(names.statusExchange)",
                    "+ binding \(names.statusExchange) → \(names.statusQueue) (\(tenant.key).status_update.#)",
                ]) {
                    try await broker.deleteExchange(names.statusExchange, in: tenant.virtualHost)
                }
                try await expect([
                    "+ queue \(names.deadQueue)",
                    "+ binding o311.dlx → \(names.deadQueue) (\(tenant.key).#)",
                ]) {
                    try await broker.deleteQueue(names.deadQueue, in: tenant.virtualHost)
                }
            }
        }

        @Test("interrupted before any one of its changes, it finishes when run again")
        func convergesAfterInterruption() async throws {
            try await withBroker { fixture in
                // A tenant of its own for each place to stop at; the virtual host is there after the first.
                try await fixture.provisioner.applyInstallation(virtualHost: fixture.virtualHost)
                let count = try await fixture.provisioner.plan(try fixture.tenant()).changes.count
                #expect(count > 10)
                for stop in 0..<count {
                    let tenant = try fixture.tenant()
                    var done = 0
                    await #expect(throws: ProvisioningError.cancelled) {
                        try await fixture.provisioner.apply(tenant) { _ throws(ProvisioningError) in
                            if done == stop { throw .cancelled }
                            done += 1
                        }
                    }
                    #expect(try await fixture.provisioner.plan(tenant).changes.count == count - stop)
                    try await fixture.provisioner.apply(tenant)
                    #expect(try await fixture.provisioner.plan(tenant).isEmpty)
                }
            }
        }

        @Test("refuses to work around a queue of the wrong kind, changes nothing, and says what to do")
        func refusesConflict() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                try await fixture.provisioner.applyInstallation(virtualHost: fixture.virtualHost)
                let classic = Queue(name: tenant.topology.requestQueue, arguments: ["x-queue-type": "classic"])
                try await fixture.provisioner.broker.put(classic, in: tenant.virtualHost)
                let before = try await fixture.provisioner.plan(tenant)
                let error = await #expect(throws: ProvisioningError.self) { try await fixture.provisioner.apply(tenant) }
                #expect(error?.description.contains("delete_queue") == true)
                #expect(try await fixture.provisioner.plan(tenant) == before)
            }
        }

        @Test("removes a tenant whole and only that one, once its queues are empty or it is forced")
        func deletes() async throws {
            try await withBroker { fixture in
                let leaving = try fixture.tenant()
                let staying = try fixture.tenant()
                let broker = fixture.provisioner.broker
                for tenant in [leaving, staying] { try await fixture.provisioner.apply(tenant) }
                let untouched = try await fixture.provisioner.plan(leaving)
                try await fixture.publish("a request", to: leaving.topology.outExchange, key: leaving.topology.routingKey(.created))
                try await fixture.waitForMessages(1, in: leaving)

                let refusal = await #expect(throws: ProvisioningError.self) { try await fixture.provisioner.delete(leaving) }
                #expect(refusal == .queuesNotEmpty(["\(leaving.topology.requestQueue) (1)"]))
                #expect(try await fixture.provisioner.plan(leaving) == untouched)

                let removed = try await fixture.provisioner.delete(leaving, force: true)
                #expect(removed.first == "user \(leaving.topology.user(.a))")
                #expect(try await broker.queueTotals(of: leaving.topology, in: leaving.virtualHost).isEmpty)
                #expect(try await broker.user(leaving.topology.user(.a)) == nil)
                #expect(try await broker.exchange(leaving.topology.outExchange, in: leaving.virtualHost) == nil)
                #expect(try await fixture.provisioner.plan(staying).isEmpty)
                #expect(try await fixture.provisioner.delete(leaving).isEmpty, "a second time there is nothing left")
            }
        }

        @Test("removes an empty tenant without force")
        func deletesEmpty() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                #expect(try await fixture.provisioner.delete(tenant).count == 1 + 7 + 4 + 2)
            }
        }

        @Test("lists all pages of a long list, and none of what is not there")
        func pages() async throws {
            try await withBroker { fixture in
                try await fixture.provisioner.applyInstallation(virtualHost: fixture.virtualHost)
                let broker = fixture.provisioner.broker
                for number in 0..<7 { try await broker.put(Queue(name: "q\(number)", arguments: [:]), in: fixture.virtualHost) }
                let names = try await broker.list(
                    NamedObject.self,
                    ["queues", fixture.virtualHost],
                    query: [("name", "^q"), ("use_regex", "true")],
                    pageSize: 3
                )
                #expect(names.map(\.name).sorted() == (0..<7).map { "q\($0)" })
                #expect(try await broker.list(NamedObject.self, ["queues", "nowhere"]).isEmpty)
            }
        }

        @Test("tells a wrong management password from a missing right and from a broker that is not there")
        func tellsErrorsApart() async throws {
            try await withBroker { fixture in
                let tenant = try fixture.tenant()
                try await fixture.provisioner.apply(tenant)
                let wrong = fixture.administration(BasicAuthentication(user: "nobody", password: "canary"))
                let error = await #expect(throws: BrokerAdministrationError.self) { try await wrong.user("x") }
                #expect(error == .notAuthenticated(operation: "GET /api/users/x"))
                #expect(error?.isRetriable == false)

                let issued = try await fixture.provisioner.issueCredential(tenant, slot: .a)
                let weak = fixture.administration(BasicAuthentication(user: issued.user, password: issued.password.clearText))
                let refused = await #expect(throws: BrokerAdministrationError.self) { try await weak.user("x") }
                guard case .notAllowed = refused else {
                    Issue.record("\(String(describing: refused))")
                    return
                }
            }
        }
    }
}
