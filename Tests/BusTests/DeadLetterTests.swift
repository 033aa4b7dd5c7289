import AMQP
import Open311
import Testing

@testable import Bus

@Suite("Dead letters")
struct DeadLetterTests {
    /// A message whose sender wrote whatever he liked into its headers, another tenant's names above all.
    private func forged(exchange: String, key: String) -> Delivery {
        Delivery(
            tag: 1, exchange: exchange, routingKey: key, redelivered: true, body: [1, 2],
            properties: MessageProperties(
                messageID: "u-1",
                headers: [
                    ("x-first-death-queue", .string("o311.other-0a1b2c.status-in")),
                    ("x-first-death-exchange", .string("o311.other-0a1b2c.status")),
                    ("x-first-death-reason", .string("rejected")),
                ]))
    }

    @Test("a status is its tenant's by what the broker wrote, never by a header")
    func attribution() throws {
        let valmont = try TenantKey(validating: "valmont-7f3a9c")
        let dead = DeadLetter(
            forged(exchange: "o311.dlx.status", key: "valmont-7f3a9c.status_update.v1"), from: "o311.status.dead", keepsBody: false)
        #expect(dead.sender == valmont && dead.queue == "o311.valmont-7f3a9c.status-in")
        // There the key leads nowhere, and may be anybody's.
        let stray = DeadLetter(
            forged(exchange: "o311.valmont-7f3a9c.status", key: "other-0a1b2c.status_update.v1"), from: "o311.stray", keepsBody: false)
        #expect(stray.sender == valmont && stray.queue == "o311.stray")
        #expect(DeadLetterFilter(sender: valmont).matches(stray))
        #expect(!DeadLetterFilter(sender: try TenantKey(validating: "other-0a1b2c")).matches(dead))
    }

    @Test(
        "what came through nobody's exchange is nobody's",
        arguments: [
            ("amq.topic", "o311.stray"), ("o311.valmont-7f3a9c.out", "o311.stray"), ("", "o311.stray"),
            ("o311.dlx.status", "o311.status.dead"),
        ])
    func nobody(exchange: String, queue: String) {
        #expect(DeadLetter(forged(exchange: exchange, key: "status_update.v1"), from: queue, keepsBody: false).sender == nil)
    }

    @Test("an event of ours is told by the queue that lost it, and has its body only where it is asked for")
    func event() {
        let delivery = Delivery(
            tag: 1, exchange: "o311.dlx", routingKey: "valmont-7f3a9c.service_request.created", redelivered: false, body: [1, 2],
            properties: MessageProperties(headers: [("x-first-death-queue", .string("o311.valmont-7f3a9c.requests"))]))
        let letter = DeadLetter(delivery, from: "o311.valmont-7f3a9c.dead", keepsBody: false)
        #expect(letter.queue == "o311.valmont-7f3a9c.requests" && letter.sender == nil && letter.body == nil && letter.size == 2)
        #expect(DeadLetter(delivery, from: "o311.valmont-7f3a9c.dead", keepsBody: true).body == [1, 2])
    }

    @Test(
        "a status queue is told from every other name",
        arguments: [
            "o311.valmont-7f3a9c.status", "o311.valmont.status-in", "o311.status.dead", "o311.valmont-7f3a9c.status-in.x",
            "o311..status-in",
            ".valmont-7f3a9c.status-in", "valmont-7f3a9c", "",
        ])
    func names(name: String) throws {
        #expect(Topology.owner(ofStatusQueue: name) == nil)
        let key = try TenantKey(validating: "valmont-7f3a9c")
        #expect(Topology.owner(ofStatusQueue: Topology(tenant: key).statusQueue) == key)
    }
}
