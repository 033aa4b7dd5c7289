import AMQP
import Foundation
import Open311
import Storage
import Testing

@testable import Bus

@Suite("The source of an event")
struct PublicationSourceTests {
    /// A message of a tenant, its body as it is stored; `epoch` as `migrations/0085_backups.sql` writes it behind a restore.
    private func entry(_ key: String, epoch: String) throws -> OutboxEntry {
        let tenant = try TenantKey(validating: key)
        let notice = OperatorNotice.ping(
            tenant,
            origin: ServiceRequestEvent.Origin(
                typePrefix: "org.bus311", schemaBase: "https://o.example/schemas", gatewayURL: "https://o.example/open311/v2",
                statusIngestURL: "https://s.example"))
        let body = String(decoding: notice.body, as: UTF8.self)
            .replacingOccurrences(of: "\"source\":\"/open311/\(key)\"", with: "\"source\":\"/open311/\(key)\(epoch)\"")
        return OutboxEntry(
            seq: 1, eventID: notice.id, tenant: TenantID(1), tenantKey: tenant, virtualHost: "open311", requestID: nil, requestSequence: 0,
            // The row was written later than its event was made.
            type: notice.kind.rawValue, body: Array(body.utf8), attempts: 0, createdAt: Timestamp.now.adding(seconds: 7))
    }

    @Test("the moment stands outside as in the body, whenever the row was written", arguments: ["", "-e2", "-e9999"])
    func moment(epoch: String) throws {
        let entry = try entry("valmont-7f3a9c", epoch: epoch)
        let properties = entry.publication(PublicationNames(entry, typePrefix: "org.bus311"), applicationID: "bus311/test").properties
        let body = try #require(try JSONSerialization.jsonObject(with: Data(entry.body)) as? [String: Any])
        let time = try #require(body["time"] as? String)
        #expect(properties.header("ce-time") == .string(time))
        #expect(properties.timestamp == Timestamp(parsing: time)?.seconds && properties.timestamp != entry.createdAt.seconds)
    }

    @Test(
        "stands in the header as in the body, in the contract's form: the tenant, and behind a restore its epoch",
        arguments: ["valmont-7f3a9c", "a-000000"], ["", "-e2", "-e17", "-e9999"])
    func agrees(key: String, epoch: String) throws {
        let entry = try entry(key, epoch: epoch)
        let publication = entry.publication(PublicationNames(entry, typePrefix: "org.bus311"), applicationID: "bus311/test")
        let body = try JSONSerialization.jsonObject(with: Data(entry.body)) as? [String: Any]
        #expect(body?["source"] as? String == "/open311/\(key)\(epoch)")
        #expect(publication.properties.header("ce-source") == .string("/open311/\(key)\(epoch)"))
        #expect((try? TenantKey(validating: key + "-e2")) == nil, "an epoch can be told from a key")
    }

    @Test("a body that ends where the source should be ends nothing")
    func short() throws {
        let whole = try entry("valmont-7f3a9c", epoch: "-e2")
        let names = PublicationNames(whole, typePrefix: "org.bus311")
        for length in 0..<whole.body.count {
            let source = names.source(of: Array(whole.body[..<length]))
            #expect(source == names.source || source == .string("/open311/valmont-7f3a9c-e2"))
            let time = names.time(of: Array(whole.body[..<length]))
            #expect(time == nil || time?.text.utf8.count == 20)
        }
    }
}
