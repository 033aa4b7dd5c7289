import PrivateServers
import Testing

@Suite("The port plan")
struct PortPlanTests {
    @Test("keeps the documented ports")
    func documentedPorts() throws {
        let plan = try PortPlan()
        let services: [Int] = [plan.gateway, plan.statusIngest, plan.health, plan.postgresql]
        #expect(services.elementsEqual([8311, 8312, 8319, 8332]))
        let broker: [Int] = [plan.amqp, plan.management, plan.brokerMetrics]
        #expect(broker.elementsEqual([8372, 8375, 8376]))
        #expect(Set(plan.uses.map(\.port)).count == plan.uses.count)
    }

    @Test("gives each node of a cluster its own listeners, with TLS and without")
    func clusterPorts() throws {
        let plan = try PortPlan()
        let nodes = (1...PortPlan.clusterSize).map { plan.clusterNode($0) }
        #expect(nodes.map(\.amqps) == [8371, 8381, 8391])
        let all = (plan.uses + plan.clusterUses(services: 7)).map(\.port)
        #expect(Set(all).count == all.count)
        for node in nodes { #expect(all.contains(node.amqp) && node.amqps.map(all.contains) == true) }
    }

    @Test("refuses a base without room for the last port", arguments: [0, 1023, 65471, 70000, -1])
    func refusesBase(_ base: Int) {
        #expect(throws: PrivateServerError.portBaseOutOfRange(base)) { try PortPlan(base: base) }
    }

    @Test("says which port is taken, by name, with the remedy")
    func takenPort() throws {
        let message = "\(PrivateServerError.portsTaken([PortUse(name: "AMQP", port: 8372)]))"
        #expect(message.contains("port 8372 (AMQP)"))
        #expect(message.contains("BUS311_PORT_BASE"))
    }
}

@Suite("The restart backoff")
struct RestartBackoffTests {
    @Test("doubles to its limit and starts anew after a quiet life")
    func doubles() {
        var backoff = RestartBackoff()
        let waits = (0..<7).map { _ in backoff.wait(afterLifeOf: .seconds(2)) }
        #expect(waits == [1, 2, 4, 8, 16, 30, 30].map { .seconds($0) })
        #expect(backoff.wait(afterLifeOf: .seconds(60)) == .seconds(1))
        #expect(backoff.wait(afterLifeOf: .seconds(59)) == .seconds(2))
    }
}
