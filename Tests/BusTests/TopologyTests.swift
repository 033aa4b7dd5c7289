import Open311
import Testing

@testable import Bus

@Suite("A tenant's topology")
struct TopologyTests {
    let names: Topology

    init() throws { names = Topology(tenant: try TenantKey(validating: "valmont-7f3a9c")) }

    @Test("names every object as operators and CRMs know it")
    func names_() {
        #expect(names.outExchange == "o311.valmont-7f3a9c.out")
        #expect(names.requestQueue == "o311.valmont-7f3a9c.requests")
        #expect(names.deadQueue == "o311.valmont-7f3a9c.dead")
        #expect(names.statusExchange == "o311.valmont-7f3a9c.status")
        #expect(names.statusQueue == "o311.valmont-7f3a9c.status-in")
        #expect(names.receiptsQueue == "o311.valmont-7f3a9c.receipts")
        #expect(names.user(.a) == "t.valmont-7f3a9c.a")
        #expect(names.user(.b) == "t.valmont-7f3a9c.b")
        #expect(names.routingKey(.created) == "valmont-7f3a9c.service_request.created")
        #expect(names.statusUpdateKey == "valmont-7f3a9c.status_update.v1")
    }

    @Test("is quorum queues whose only argument is that they are")
    func onlyQuorumQueues() {
        let wanted = BrokerTopology.tenant(BusTenant(key: names.tenant, virtualHost: "v"), slots: [.a])
        #expect(wanted.queues.count == 4)
        #expect(wanted.queues.allSatisfy { $0.arguments == ["x-queue-type": "quorum"] && $0.durable && !$0.autoDelete })
        #expect(wanted.virtualHost == "v")
    }

    @Test("gives its users the right to consume requests and receipts, to publish statuses, and nothing else")
    func leastPermissions() throws {
        let wanted = BrokerTopology.tenant(BusTenant(key: names.tenant, virtualHost: "v"), slots: [.b])
        let permission = try #require(wanted.permissions.first)
        #expect(permission.user == "t.valmont-7f3a9c.b")
        let read = try Regex(permission.read)
        let write = try Regex(permission.write)
        #expect(names.requestQueue.wholeMatch(of: read) != nil)
        #expect(names.receiptsQueue.wholeMatch(of: read) != nil)
        #expect(names.statusExchange.wholeMatch(of: write) != nil)
        let others = [
            names.deadQueue, names.statusQueue, names.outExchange, names.statusExchange, "o311.dlx", "amq.default",
            "o311.valmont-7f3a9cxrequests", "xo311.valmont-7f3a9c.requests", "o311.valmont-7f3a9c.requests.more",
            "o311.other-7f3a9c.requests", "o311xvalmont-7f3a9cxrequests", "o311.valmont-7f3a9c.requests\no311",
        ]
        for other in others { #expect(other.firstMatch(of: read) == nil, "\(other)") }
        for other in others where other != names.statusExchange { #expect(other.firstMatch(of: write) == nil, "\(other)") }
        #expect(permission.configure == "^$")
    }

    @Test("lets a CRM read its dead letters only when the tenant says so")
    func readsDeadLetters() throws {
        let tenant = BusTenant(key: names.tenant, virtualHost: "v", readsDeadLetters: true)
        let permission = try #require(BrokerTopology.tenant(tenant, slots: [.a]).permissions.first)
        #expect(names.deadQueue.wholeMatch(of: try Regex(permission.read)) != nil)
        #expect(names.statusQueue.wholeMatch(of: try Regex(permission.read)) == nil)
    }

    @Test("restricts the routing keys of statuses to the tenant's own")
    func topicPermission() throws {
        let permission = try #require(
            BrokerTopology.tenant(BusTenant(key: names.tenant, virtualHost: "v"), slots: [.a]).topicPermissions.first
        )
        let write = try Regex(permission.write)
        #expect(permission.exchange == names.statusExchange)
        #expect(names.statusUpdateKey.firstMatch(of: write) != nil)
        #expect("valmont-7f3a9cxstatus_update.v1".firstMatch(of: write) == nil)
        #expect("other-7f3a9c.status_update.v1".firstMatch(of: write) == nil)
        #expect("valmont-7f3a9c.service_request.created".firstMatch(of: write) == nil)
    }

    @Test("has one standard policy in force on each queue, own or shared, and on the status exchange")
    func onePolicyEach() throws {
        func policy(_ kind: String, _ name: String) throws -> String? {
            var matching: [Policy] = []
            for policy in [Policy].standard where policy.appliesTo == kind {
                if name.contains(try Regex(policy.pattern)) { matching.append(policy) }
            }
            #expect(Set(matching.map(\.priority)).count == matching.count, "of two equals nobody knows which wins")
            return matching.max { $0.priority < $1.priority }?.name
        }
        #expect(try policy("queues", names.requestQueue) == "o311-requests")
        #expect(try policy("queues", names.deadQueue) == "o311-dead")
        #expect(try policy("queues", names.statusQueue) == "o311-status-in")
        #expect(try policy("queues", names.receiptsQueue) == "o311-receipts")
        #expect(try policy("queues", SharedTopology.statusDeadQueue) == "o311-status-dead")
        #expect(try policy("queues", SharedTopology.strayQueue) == "o311-stray")
        #expect(try policy("exchanges", names.statusExchange) == "o311-status-x")
        #expect(try policy("exchanges", names.outExchange) == nil, "an alternate exchange would hide a missing binding from the relay")
    }

    @Test("loses no dead letter: wherever one is sent on, at least once, and a full queue refuses")
    func safeDeadLettering() {
        for policy in [Policy].standard where policy.definition["dead-letter-exchange"] != nil {
            #expect(policy.definition["dead-letter-strategy"] == "at-least-once", "\(policy.name)")
            #expect(policy.definition["overflow"] == "reject-publish", "\(policy.name)")
        }
        for policy in [Policy].standard where policy.appliesTo == "queues" {
            #expect(policy.definition["delivery-limit"] != nil, "\(policy.name)")
            #expect(policy.definition["max-length"] != nil, "\(policy.name)")
        }
    }

    @Test("gives services what they work with, of every tenant, and nothing to declare")
    func serviceAccounts() throws {
        for account in ServiceAccount.allCases {
            #expect(account.permission.configure == "^$")
            #expect(SharedTopology.deadLetterExchange.contains(try Regex(account.permission.write)) == false)
        }
        #expect(names.outExchange.contains(try Regex(ServiceAccount.relay.permission.write)))
        #expect(names.statusExchange.contains(try Regex(ServiceAccount.relay.permission.write)) == false)
        #expect(names.statusQueue.contains(try Regex(ServiceAccount.statusIngest.permission.read)))
        #expect(names.requestQueue.contains(try Regex(ServiceAccount.statusIngest.permission.read)) == false)
        #expect(names.deadQueue.contains(try Regex(ServiceAccount.redrive.permission.read)))
        #expect(SharedTopology.statusDeadQueue.contains(try Regex(ServiceAccount.redrive.permission.read)))
    }

    @Test("escapes what a regular expression would read")
    func escapes() {
        #expect(TopologyPattern.exactly("a.b") == #"^a\.b$"#)
        #expect(TopologyPattern.exactly("a", "b") == "^(a|b)$")
        #expect(TopologyPattern.escape(#".^$*+?()[]{}|\"#) == #"\.\^\$\*\+\?\(\)\[\]\{\}\|\\"#)
    }

    @Test("a user's name tells whose it is, and no other name does")
    func usersBelong() throws {
        let key = try TenantKey(validating: "valmont-7f3a9c")
        let found = try #require(Topology.credential(ofUser: Topology(tenant: key).user(.b)))
        #expect(found.tenant == key && found.slot == .b)
        for name in [
            "", "t", "svc.relay", "t.valmont-7f3a9c.c", "t.valmont-7f3a9c", "t.valmont.a", "x.valmont-7f3a9c.a", "t.valmont-7f3a9c.a.b",
        ] {
            #expect(Topology.credential(ofUser: name) == nil, "\(name)")
        }
    }
}
