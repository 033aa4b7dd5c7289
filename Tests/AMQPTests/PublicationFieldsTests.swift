import Testing

@testable import AMQP

@Suite("Laying out a publication")
struct PublicationFieldsTests {
    private func reason(_ change: (inout Publication) -> Void) -> String? {
        var publication = Publication(
            tag: 1,
            exchange: "e",
            routingKey: "k",
            body: [],
            properties: MessageProperties(messageID: "id")
        )
        change(&publication)
        var fields = PublicationFields()
        return fields.load(publication, frameLimit: 4_096)
    }

    @Test("accepts what the protocol can carry")
    func accepts() {
        #expect(reason { _ in } == nil)
        #expect(reason { $0.routingKey = String(repeating: "k", count: 255) } == nil)
        #expect(reason { $0.properties.headers = [("text", .string(String(repeating: "é", count: 1_000)))] } == nil)
    }

    @Test("refuses what it cannot, and says why")
    func refuses() {
        #expect(reason { $0.routingKey = String(repeating: "k", count: 256) } == "the routing key is longer than 255 bytes")
        #expect(reason { $0.properties.messageID = String(repeating: "é", count: 128) } == "the message id is longer than 255 bytes")
        #expect(reason { $0.properties.headers = [("", .integer(1))] } == "a header has no name")
        #expect(reason { $0.properties.headers = [("x", .string(String(repeating: "x", count: 4_096)))] }?.contains("do not fit") == true)
        #expect(reason { $0.properties.timestamp = -1 } == "the timestamp is before 1970")
        #expect(reason { $0.properties.messageID = nil } == "a mandatory message needs a message id")
        #expect(reason { ($0.properties.messageID, $0.mandatory) = (nil, false) } == nil)
    }
}
