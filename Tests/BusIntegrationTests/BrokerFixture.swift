import AMQP
import Curl
import Foundation
import Open311
import PrivateServers
import Testing

@testable import Bus

/// A real broker with a virtual host of its own for one test.
struct BrokerFixture: Sendable {
    let client: HTTPClient
    let managementURL: String
    let amqpPort: UInt16
    let credentials: BasicAuthentication
    let provisioner: Provisioner
    let virtualHost: String

    /// A tenant that nobody else has.
    func tenant() throws -> BusTenant {
        let suffix = String(UInt32.random(in: 0...0xFF_FFFF) | 0x100_0000, radix: 16).suffix(6)
        return BusTenant(key: try TenantKey(validating: "test-\(suffix)"), virtualHost: virtualHost)
    }

    func administration(_ credentials: BasicAuthentication) -> BrokerAdministration {
        BrokerAdministration(client: client, baseURL: managementURL, credentials: credentials)
    }

    /// Through the management interface.
    func publish(_ payload: String, to exchange: String, key: String) async throws {
        let body: BrokerArguments = [
            "properties": .table(["delivery_mode": 2]), "routing_key": .text(key), "payload": .text(payload), "payload_encoding": "string",
        ]
        try await provisioner.broker.post(["exchanges", virtualHost, exchange, "publish"], body)
    }

    /// Until the tenant's queues hold that many together.
    func waitForMessages(_ count: Int, in tenant: BusTenant) async throws {
        try await wait {
            try await provisioner.broker.queueTotals(of: tenant.topology, in: virtualHost).reduce(0) { $0 + ($1.messages ?? 0) } == count
        }
    }

    /// A fresh credential of the tenant, as a CRM uses it.
    func login(_ tenant: BusTenant, slot: CredentialSlot) async throws -> AMQPConfiguration {
        let issued = try await provisioner.issueCredential(tenant, slot: slot)
        return AMQPConfiguration(
            host: "127.0.0.1",
            port: amqpPort,
            virtualHost: tenant.virtualHost,
            user: issued.user,
            password: issued.password.clearText
        )
    }

    /// A user that may do everything in this virtual host.
    func operatorLogin() async throws -> AMQPConfiguration {
        let everything = Permission(user: credentials.user, configure: ".*", write: ".*", read: ".*")
        try await provisioner.broker.put(everything, in: virtualHost)
        return AMQPConfiguration(
            host: "127.0.0.1",
            port: amqpPort,
            virtualHost: virtualHost,
            user: credentials.user,
            password: credentials.password
        )
    }

    /// The queue's next message, which may still be on its way.
    func take(from queue: String, as login: AMQPConfiguration) async throws -> Delivery {
        let channel = try AMQPChannel(configuration: login)
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            if let delivery = try await channel.get(queue: queue) {
                try await channel.acknowledge(delivery.tag)
                await channel.close()
                return delivery
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        await channel.close()
        throw TimedOut()
    }

    /// Until it is so.
    func wait(until isTrue: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            if try await isTrue() { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw TimedOut()
    }

    /// Whether the broker takes this name and password; asked at its management interface, which knows a user without rights
    /// from a user it does not know.
    func canLogIn(_ user: String, _ password: String) async throws -> Bool {
        do {
            _ = try await administration(BasicAuthentication(user: user, password: password)).user(user)
            return true
        } catch BrokerAdministrationError.notAllowed {
            return true
        } catch BrokerAdministrationError.notAuthenticated {
            return false
        }
    }

    struct TimedOut: Error {}
}

/// Gives the test a virtual host that does not exist yet, and removes it afterwards.
///
/// - Parameter virtualHost: of its own, unless a test is about one that is there already; that one stays.
func withBroker(virtualHost: String? = nil, _ body: (BrokerFixture) async throws -> Void) async throws {
    let server = try #require(SharedBrokerTrait.broker)
    let credentials = BasicAuthentication(user: ServiceUser.provisioner.rawValue, password: try server.password(of: .provisioner))
    let client = try HTTPClient(name: "test-broker")
    let broker = BrokerAdministration(client: client, baseURL: server.managementURL, credentials: credentials)
    let fixture = BrokerFixture(
        client: client,
        managementURL: server.managementURL,
        amqpPort: UInt16(server.ports.amqp),
        credentials: credentials,
        provisioner: Provisioner(broker: broker, overcommits: true),
        virtualHost: virtualHost ?? "test/\(UInt64.random(in: 0 ... .max))"
    )
    let result: Result<Void, any Error>
    do {
        try await body(fixture)
        result = .success(())
    } catch {
        result = .failure(error)
    }
    if virtualHost == nil { try await broker.delete(["vhosts", fixture.virtualHost]) }
    await client.close()
    try result.get()
}
