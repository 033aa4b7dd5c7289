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

    @Test("leaves a site's own policies alone, and shows those that are in force in place of ours")
    func foreignPolicy() throws {
        let weaker = Policy(name: "weaker", pattern: "^o311", appliesTo: "queues", priority: 5, definition: [:])
        let elsewhere = Policy(name: "elsewhere", pattern: "^shop", appliesTo: "all", priority: 99, definition: [:])
        #expect(try changes { $0.policies += [weaker, elsewhere] } == [])
        var live = try complete()
        live.policies.append(
            Policy(name: "site", pattern: "\\.dead$", appliesTo: "queues", priority: 50, definition: ["max-length": 3]))
        let plan = ProvisioningPlan(from: live, to: wanted)
        #expect(
            plan.changes.map(\.description) == [
                "? policy site: it is not ours and is in force on o311.status.dead, o311.valmont-7f3a9c.dead: {max-length 3}."
                    + " rabbitmqctl clear_policy -p city site gives way to ours"
            ])
        #expect(plan.work.isEmpty && !plan.isEmpty && plan.conflicts.isEmpty)
    }

    @Test("gives a tenant's own limits a policy that repeats every key, and takes it away with the limit")
    func overrides() throws {
        var limits = TenantLimits()
        limits.requestQueue = .init(messages: 7, bytes: nil)
        limits.connections = 9
        let limited = BusTenant(key: tenant.key, virtualHost: "city", limits: limits)
        let wanted = BrokerTopology.installation(virtualHost: "city").adding(.tenant(limited, slots: [.a]))
        let plan = ProvisioningPlan(from: try complete(), to: wanted)
        #expect(
            plan.changes.map(\.description) == [
                "+ policy o311.valmont-7f3a9c.requests", "~ limits t.valmont-7f3a9c.a: max-connections is 5, wanted 9",
            ])
        let override = try #require(wanted.policies.last)
        let standard = try #require([Policy].standard.first { $0.name == "o311-requests" })
        #expect(override.priority > standard.priority && override.definition["max-length"] == 7)
        #expect(override.definition.filter { $0.key != "max-length" } == standard.definition.filter { $0.key != "max-length" })
        #expect(override.matches("o311.valmont-7f3a9c.requests") && !override.matches("o311.valmont-7f3a9cd.requests"))

        var live = try complete()
        live.policies.append(override)
        #expect(
            ProvisioningPlan(from: live, to: self.wanted).changes.map(\.description) == [
                "- policy o311.valmont-7f3a9c.requests: the tenant has no limit of its own there"
            ])
    }

    @Test("sums what queues may hold: the highest policy of each, under the operator's ceiling, before and after")
    func promises() throws {
        let mebibyte = 1_048_576
        var promise = QueuePromise(
            queues: [], policies: ["city": .standard], operatorPolicies: ["city": [.ceiling]])
        #expect(promise.bytes == 0)
        let empty = ProvisioningPlan(from: LiveTopology(virtualHostExists: true), to: wanted)
        // Requests, dead letters, statuses, receipts; and the two queues that tenants share.
        #expect(promise.after(empty).bytes == (512 + 256 + 64 + 16 + 64 + 64) * mebibyte)
        promise = promise.after(empty)
        #expect(promise.after(empty) == promise, "what is there is not counted twice")

        var limits = TenantLimits()
        limits.requestQueue = .init(messages: nil, bytes: 32 * mebibyte)
        let limited = BrokerTopology.tenant(BusTenant(key: tenant.key, virtualHost: "city", limits: limits), slots: [])
        let smaller = ProvisioningPlan(from: try complete(), to: limited)
        #expect(promise.after(smaller).bytes == promise.bytes - (512 - 32) * mebibyte)

        promise.queues.insert(.init(name: "o311.x.requests", vhost: "other"))
        promise.policies["other"] = [Policy(name: "all", pattern: "", appliesTo: "all", priority: 0, definition: ["max-length-bytes": 99])]
        #expect(promise.bytes == (512 + 256 + 64 + 16 + 64 + 64) * mebibyte + 99)
        // A higher policy without a bound takes the bound of a lower one away; the operator's stays.
        promise.policies["other"]?.append(Policy(name: "none", pattern: "o311", appliesTo: "queues", priority: 1, definition: [:]))
        #expect(promise.bytes == (512 + 256 + 64 + 16 + 64 + 64) * mebibyte)
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
