import AMQP
import Open311
import Storage
import Testing

@testable import Bus

@Suite("A delivery from a status queue")
struct StatusDeliveryTests {
    private let body = Array(#"{"service_request_id":"2611000004217","status":"closed","status_notes":"é"}"#.utf8)

    private func message(
        id: String? = "u-1", _ body: [UInt8]? = nil, type: String? = "application/json", encoding: String? = nil
    ) throws -> StatusMessage {
        let tenant = Tenant(
            id: TenantID(1), key: try TenantKey(validating: "valmont-7f3a9c"), name: "Valmont",
            jurisdictions: [try JurisdictionID(validating: "valmont.example")], language: .french, timeZone: "Europe/Paris", shard: 0,
            virtualHost: "open311", contact: "c", keyService: "k", policies: TenantPolicies())
        let delivery = Delivery(
            tag: 1, exchange: "o311.valmont-7f3a9c.status", routingKey: "valmont-7f3a9c.status_update.v1", redelivered: false,
            body: body ?? self.body, properties: MessageProperties(messageID: id, contentType: type), contentEncoding: encoding)
        guard case .message(let message, _) = StatusDelivery(delivery, from: tenant, receivedAt: Timestamp(seconds: 1_795_000_000)) else {
            throw StatusUpdateFault.unknownRequest
        }
        return message
    }

    private func verdict(_ message: StatusMessage) -> String {
        if case .fault(let fault, _) = message.content { fault.code } else { "taken" }
    }

    @Test(
        "is JSON, or says nothing of its type",
        arguments: [
            (nil, "taken"), ("application/json", "taken"), ("Application/JSON; charset=utf-8", "taken"),
            ("application/vnd.grc.status+json", "taken"), ("application/cloudevents+json; charset=UTF-8", "taken"),
            ("text/xml", "unsupported-media-type"), ("text/json", "unsupported-media-type"), ("json", "unsupported-media-type"),
            ("application/", "unsupported-media-type"), ("application/+json", "unsupported-media-type"), ("é", "unsupported-media-type"),
        ])
    func types(type: String?, wanted: String) throws { #expect(verdict(try message(type: type)) == wanted) }

    @Test(
        "comes as it is",
        arguments: [
            (nil, "taken"), ("identity", "taken"), ("UTF-8", "taken"), ("utf-8", "taken"), ("gzip", "unsupported-content-encoding"),
            ("utf-16", "unsupported-content-encoding"), ("base64", "unsupported-content-encoding"),
        ])
    func encodings(encoding: String?, wanted: String) throws { #expect(verdict(try message(encoding: encoding)) == wanted) }

    @Test("is in UTF-8")
    func characters() throws {
        let text = String(decoding: body, as: UTF8.self)
        func bytes(_ unit: UInt32, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: unit >> ($0 * 8)) } }
        let low: [UInt8] = text.utf16.flatMap { bytes(UInt32($0), 2) }
        let high: [UInt8] = text.utf16.flatMap { bytes(UInt32($0), 2).reversed() }
        let wide: [UInt8] = text.unicodeScalars.flatMap { bytes($0.value, 4) }
        for other in [low, high, [0xFF, 0xFE] + low, [0xFE, 0xFF] + high, wide] {
            #expect(verdict(try message(other)) == "malformed-json")
        }
        #expect(verdict(try message(text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })) == "malformed-json", "Latin-1")
        #expect(verdict(try message([0xEF, 0xBB, 0xBF] + body)) == "taken", "the mark that Windows editors write")
    }

    @Test("gives back the id that it cannot be accepted with, as far as a receipt can carry it")
    func ids() throws {
        let long = String(repeating: "x", count: 129)
        for id in [long, "a\u{7}b", String(repeating: "x", count: 255), String(repeating: "é", count: 127)] {
            let message = try message(id: id)
            #expect(message.correlationID == id, "\(id.debugDescription)")
            #expect((message.id == id) == StatusUpdateForm.isUpdateID(id))
            #expect(verdict(message) == (StatusUpdateForm.isUpdateID(id) ? "taken" : "invalid-update-id"))
        }
        // PostgreSQL holds no text with a zero in it, a property no more than 255 bytes.
        for id in [nil, "a\u{0}b", String(repeating: "é", count: 128) + "x"] { #expect(try message(id: id).correlationID == nil) }
    }
}
