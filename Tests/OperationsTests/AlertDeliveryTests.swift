import Crypto
import Curl
import Foundation
import Open311
import Testing

@testable import Operations
@testable import Storage

@Suite("Alerts on their way")
struct AlertDeliveryTests {
    private func delivery(_ channel: NewAlertDelivery.Channel) -> AlertDelivery {
        AlertDelivery(
            number: 7, alert: 1, tenant: nil,
            what: NewAlertDelivery(
                channel: channel, recipient: .operator, kind: .fired, subject: "s", body: "b", payload: Array("{\"a\":1}".utf8)),
            attempts: 1, createdAt: .now, address: nil)
    }

    @Test(
        "a webhook goes to no private address, by name or by number, unless it is named with its port",
        arguments: [
            "https://127.0.0.1/x", "https://localhost/x", "https://10.0.0.8/x", "https://169.254.169.254/latest", "https://[::1]/x",
        ])
    func guarded(url: String) async throws {
        let hook = try AlertWebhook(url: url, secret: "0123456789abcdef", allowed: [], authorities: nil)
        #expect(await hook.send(delivery(.webhook)) == .never("not_permitted"))
        await hook.close()
    }

    @Test("nobody listening is tried again; a port that was not named is not")
    func retried() async throws {
        let endpoint = try #require(LinkGuard.Endpoint("127.0.0.1:1"))
        let hook = try AlertWebhook(url: "http://127.0.0.1:1/x", secret: "0123456789abcdef", allowed: [endpoint], authorities: nil)
        #expect(await hook.send(delivery(.webhook)) == .later("cannotConnect"))
        await hook.close()
        let other = try AlertWebhook(url: "http://127.0.0.1:2/x", secret: "0123456789abcdef", allowed: [endpoint], authorities: nil)
        #expect(await other.send(delivery(.webhook)) == .never("not_permitted"))
        await other.close()
    }

    @Test("the signature is the HMAC-SHA-256 of moment and body, as RFC 4231 computes it")
    func signed() {
        let key = SymmetricKey(data: Data("Jefe".utf8))
        // By openssl: printf '1.what' | openssl dgst -sha256 -hmac Jefe
        #expect(
            AlertWebhook.signature(of: Array("what".utf8), at: 1, key)
                == "t=1,v1=ffb2e09f49104eda0b5217b7710b58a8118357b1db6d6fa15eef9415f7e4d28e")
    }

    @Test("retries have an end, after about a day")
    func bounded() {
        #expect((20...30).contains(AlertDispatch.pauses.reduce(0, +) / 3_600))
        #expect(AlertDispatch.pauses == AlertDispatch.pauses.sorted())
    }

    @Test("each hears in its own language and of its own link; an installation's alert goes to nobody's manager")
    func recipients() throws {
        var settings = AlertSettings()
        settings.sendsMail = true
        settings.hasOperatorAddress = true
        settings.hasWebhook = true
        settings.language = .english
        settings.publicRoot = "https://bus.example"
        let tenant = AlertTenant(
            id: TenantID(1), key: try TenantKey(validating: "valmont-7f3a9c"), name: "Ville de Valmont", language: .french,
            timeZone: "Europe/Paris", virtualHost: "open311", terms: ServiceTerms(), hasAdministrator: true, hasManager: true)
        var episode = AlertEpisode(AlertKey(.noConsumer, tenant.id), since: Timestamp(seconds: 1_790_000_000), severity: .critical)
        episode.number = 12
        let signatures: [AlertRecipient: String] = [.operator: "aa", .tenantAdministrator: "bb", .manager: "cc"]
        func written(_ audience: AlertAudience, _ tenant: AlertTenant?) -> [NewAlertDelivery] {
            AlertWriter(settings).deliveries(
                AlertNotice(.fired, to: audience, of: episode, at: Timestamp(seconds: 1_790_000_600)), tenant: tenant,
                signatures: signatures,
                expires: 1_791_000_000)
        }
        let technical = written(.administrator, tenant)
        #expect(technical.map(\.recipient) == [.operator, .tenantAdministrator, .operator])
        #expect(
            technical[0].body.contains("nobody is connected")
                && technical[0].body.contains("https://bus.example/alerts/12/operator/1791000000/aa"))
        #expect(technical[1].body.contains("personne n'est connecté") && technical[1].body.contains("/tenant_administrator/1791000000/bb"))
        let payload = try #require(technical[2].payload)
        let json = try #require(try JSONSerialization.jsonObject(with: Data(payload)) as? [String: Any])
        #expect(
            json["code"] as? String == "NO_CONSUMER" && json["duration_seconds"] as? Int == 600
                && json["tenant"] as? String == "valmont-7f3a9c")
        let managers = written(.manager, tenant)
        #expect(managers.map(\.channel) == [.email, .webhook] && managers[0].body.contains("/manager/1791000000/cc"))
        #expect(written(.administrator, nil).map(\.recipient) == [.operator, .operator])
        #expect(written(.manager, nil).map(\.channel) == [.webhook])
    }
}
