import Foundation
import Open311
import Testing

@testable import Bus

@Suite("A provisioning plan")
struct ProvisioningPlanTests {
    let tenant: BusTenant
    let wanted: BrokerTopology

    init() throws {
        tenant = BusTenant(key: try TenantKey(validating: "valmont-7f3a9c"), virtualHost: "city")
        wanted = BrokerTopology.installation(virtualHost: "city").adding(.tenant(tenant, slots: [.a]))
    }

    /// A broker that has exactly what is wanted.
    private func complete() throws -> LiveTopology {
        var live = LiveTopology(virtualHostExists: true)
        live.policies = wanted.policies
        live.operatorPolicies = wanted.operatorPolicies
        live.exchanges = wanted.exchanges
        live.queues = wanted.queues
        live.bindings = wanted.bindings.map { FoundBinding(binding: $0, destinationType: "queue", propertiesKey: $0.routingKey) }
        live.users = wanted.limits.map { FoundUser(user: BrokerUser(name: $0.user, hasPassword: true), limits: $0) }
        live.permissions = wanted.permissions.map { InVirtualHost(value: $0, virtualHost: "city") }
        live.topicPermissions = wanted.topicPermissions.map { InVirtualHost(value: $0, virtualHost: "city") }
        return live
    }

    private func changes(_ edit: (inout LiveTopology) -> Void) throws -> [String] {
        var live = try complete()
        edit(&live)
        return ProvisioningPlan(from: live, to: wanted).changes.map(\.description)
    }

    @Test("is empty when the broker has what is wanted")
    func emptyWhenComplete() throws {
        let plan = ProvisioningPlan(from: try complete(), to: wanted)
        #expect(plan.isEmpty)
        #expect(plan.description == "nothing to change")
    }

    @Test("for an empty broker makes everything, policies before the queues they rule, users last and without a password")
    func ordersChanges() {
        let plan = ProvisioningPlan(from: LiveTopology(virtualHostExists: false), to: wanted)
        let kinds = plan.changes.map(\.object)
        var order: [ProvisioningChange.Object] = []
        for kind in kinds where order.last != kind { order.append(kind) }
        #expect(
            order == [
                .virtualHost, .policy, .operatorPolicy, .exchange, .queue, .binding, .user, .permission, .topicPermission, .limits,
            ]
        )
        #expect(plan.changes.allSatisfy { $0.action == .create })
        #expect(plan.changes.contains { $0.step == .putUser("t.valmont-7f3a9c.a") })
    }

    @Test("names a missing binding, and it alone")
    func missingBinding() throws {
        let changes = try changes { $0.bindings.removeAll { $0.binding.routingKey == "valmont-7f3a9c.service_request.#" } }
        #expect(
            changes == ["+ binding o311.valmont-7f3a9c.out → o311.valmont-7f3a9c.requests (valmont-7f3a9c.service_request.#)"]
        )
    }

    @Test("takes a binding away that leads the tenant's events elsewhere")
    func unwantedBinding() throws {
        let spy = Binding(exchange: tenant.topology.outExchange, queue: "spy", routingKey: "#")
        let changes = try changes { $0.bindings.append(FoundBinding(binding: spy, destinationType: "queue", propertiesKey: "%23")) }
        #expect(changes == ["- binding o311.valmont-7f3a9c.out → spy (#): it is not ours"])
    }

    @Test("tells what differs in a policy")
    func changedPolicy() throws {
        let changes = try changes {
            $0.policies[0].definition["max-length"] = 5
            $0.policies[0].definition["message-ttl"] = 1
            $0.policies[0].definition["overflow"] = nil
            $0.policies[0].priority = 3
        }
        #expect(
            changes == [
                "~ policy o311-requests: priority is 3, wanted 10; max-length is 5, wanted 200000; message-ttl is 1, wanted none;"
                    + " overflow is absent, wanted reject-publish"
            ]
        )
    }

    @Test("leaves a site's own policies alone")
    func foreignPolicy() throws {
        let own = Policy(name: "site", pattern: "^o311", appliesTo: "queues", priority: 50, definition: [:])
        #expect(try changes { $0.policies.append(own) } == [])
    }

    @Test("makes a conflict, with a remedy, of a queue that has other arguments and of an exchange of another type")
    func conflicts() throws {
        var live = try complete()
        live.queues[2].arguments = ["x-queue-type": "classic", "x-max-length": 3]
        live.exchanges[0].type = "fanout"
        let plan = ProvisioningPlan(from: live, to: wanted)
        #expect(plan.conflicts.count == 2)
        #expect(plan.conflicts.allSatisfy { $0.remedy != nil && $0.step == .none })
        let queue = try #require(plan.conflicts.first { $0.object == .queue })
        #expect(queue.details == ["x-max-length is 3, wanted none", "x-queue-type is classic, wanted quorum"])
        #expect(queue.remedy?.contains("rabbitmqctl delete_queue -p city \(queue.name)") == true)
    }

    @Test("brings permissions back to the least, here and in every other virtual host")
    func permissions() throws {
        let user = tenant.topology.user(.a)
        let changes = try changes {
            for index in $0.permissions.indices where $0.permissions[index].value.user == user { $0.permissions[index].value.read = ".*" }
            let everything = Permission(user: user, configure: ".*", write: ".*", read: ".*")
            $0.permissions.append(InVirtualHost(value: everything, virtualHost: "other"))
            $0.topicPermissions = []
            $0.users[0].user.tags = ["management"]
            $0.users[0].limits.maximumConnections = -1
        }
        #expect(
            changes == [
                "~ user t.valmont-7f3a9c.a: it has the tags management, wanted none",
                "~ permission t.valmont-7f3a9c.a: read is .*, wanted ^(o311\\.valmont-7f3a9c\\.requests|o311\\.valmont-7f3a9c\\.receipts)$",
                "- permission t.valmont-7f3a9c.a: in the virtual host other",
                "+ topic permission t.valmont-7f3a9c.a",
                "~ limits t.valmont-7f3a9c.a: max-connections is -1, wanted 5",
            ]
        )
    }

    @Test("leaves a service account's permissions in other virtual hosts alone")
    func serviceAccountElsewhere() throws {
        let relay = ServiceAccount.relay.permission
        #expect(try changes { $0.permissions.append(InVirtualHost(value: relay, virtualHost: "other")) } == [])
    }

    @Test("clears a topic permission on another exchange without losing the wanted one")
    func unwantedTopicPermission() throws {
        let extra = TopicPermission(user: tenant.topology.user(.a), exchange: "amq.topic", write: ".*", read: ".*")
        var live = try complete()
        live.topicPermissions.append(InVirtualHost(value: extra, virtualHost: "city"))
        let plan = ProvisioningPlan(from: live, to: wanted)
        #expect(
            plan.changes.map(\.step) == [
                .setTopicPermissions(user: extra.user, virtualHost: "city", wanted.topicPermissions, clearsFirst: true)
            ]
        )
    }

    @Test("is written as JSON without its inner steps")
    func json() throws {
        var live = try complete()
        live.exchanges.removeLast()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let text = String(decoding: try encoder.encode(ProvisioningPlan(from: live, to: wanted)), as: UTF8.self)
        #expect(
            text == #"{"changes":[{"action":"create","details":[],"name":"o311.valmont-7f3a9c.status","object":"exchange","remedy":null}],"#
                + #""virtual_host":"city"}"#
        )
    }
}
