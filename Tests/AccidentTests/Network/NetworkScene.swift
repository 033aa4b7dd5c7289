import AMQP
import Bus
import Curl
import Foundation
import Logging
import NIOConcurrencyHelpers
import Open311
import PrivateServers
import Storage
import TestSupport

/// The broker of all network accidents; each accident has a database, a tenant and a proxy of its own, so that they run side by side.
struct NetworkBroker {
    let server: PrivateRabbitMQ
    private let client: HTTPClient
    let provisioner: Provisioner

    static func started() async throws -> NetworkBroker {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bus311-network-\(UInt64.random(in: 0 ... .max))")
        let server = PrivateRabbitMQ(
            directory: folder, ports: try ports(), configuration: TestDatabase.repository.appendingPathComponent("broker-config"))
        try await server.start()
        let client = try HTTPClient(name: "network-tests")
        let credentials = BasicAuthentication(user: ServiceUser.provisioner.rawValue, password: try server.password(of: .provisioner))
        let provisioner = Provisioner(
            broker: BrokerAdministration(client: client, baseURL: server.managementURL, credentials: credentials))
        _ = try await provisioner.applyInstallation(virtualHost: PrivateRabbitMQ.vhost)
        return NetworkBroker(server: server, client: client, provisioner: provisioner)
    }

    func stop() async {
        await client.close()
        await server.stop()
        try? FileManager.default.removeItem(at: server.directory)
    }

    private static func ports() throws -> RabbitMQPorts {
        for _ in 0..<200 {
            let plan = try PortPlan(base: Int.random(in: 12_000..<31_000))
            if (try? plan.checkFree()) != nil { return plan.rabbitMQ }
        }
        throw NetworkScene.Failed(what: "no free ports")
    }
}

/// One accident's city, with everything that happened to it.
final class NetworkScene: Sendable {
    struct Failed: Error, CustomStringConvertible {
        let what: String
        var description: String { what }
    }

    /// What a service said of the broker.
    struct Report: Sendable {
        let at: ContinuousClock.Instant
        let isOK: Bool
        let detail: String
    }

    let name: String
    let broker: NetworkBroker
    let addresses: TestDatabase.Addresses
    let tenant: Tenant
    let proxy: FaultProxy
    let topology: Topology
    let logger: Logger
    private let recorder: SubmissionRecorder
    private let received = NIOLockedValueBox<[Delivery]>([])
    private let recorded = NIOLockedValueBox<Set<ServiceRequestID>>([])
    private let reports = NIOLockedValueBox<[Report]>([])

    init(_ name: String, _ broker: NetworkBroker, seed: UInt64) async throws {
        print("\(name): seed \(seed)")
        self.name = name
        self.broker = broker
        addresses = try await TestDatabase.shared.fresh()
        let administration = try AdministrationStore(configuration: addresses.role("bus311_admin"))
        let suffix = String(UInt32.random(in: 0...0xFF_FFFF) | 0x100_0000, radix: 16).suffix(6)
        tenant = try await administration.createTenant(try Fixtures.newTenant("\(name)-\(suffix)", jurisdiction: "\(name).example"))
        try await administration.setCatalogue(try Fixtures.services(), of: tenant.id)
        await administration.close()
        topology = Topology(tenant: tenant.key)
        try await broker.provisioner.apply(BusTenant(tenant))
        proxy = try FaultProxy(to: broker.server.ports.amqp, seed: seed)
        var logger = Logger(label: name)
        logger.logLevel = .critical
        self.logger = logger
        recorder = try SubmissionRecorder(configuration: addresses.role("bus311_ingest"), origin: Fixtures.origin, logger: logger)
    }

    /// A service user's way to the broker: through the proxy, or past it. Heartbeat and timeouts are short so that tests are.
    func login(_ user: ServiceUser, through port: Int? = nil) throws -> AMQPConfiguration {
        AMQPConfiguration(
            host: "127.0.0.1", port: UInt16(port ?? proxy.port), virtualHost: PrivateRabbitMQ.vhost, user: user.rawValue,
            password: try broker.server.password(of: user), heartbeat: 2, handshakeTimeout: .seconds(10))
    }

    var report: @Sendable (String, Bool, String) -> Void {
        { [reports] dependency, isOK, detail in
            if dependency == "broker" { reports.withLockedValue { $0.append(Report(at: .now, isOK: isOK, detail: detail)) } }
        }
    }

    func reports(since moment: ContinuousClock.Instant) -> [Report] { reports.withLockedValue { $0.filter { $0.at >= moment } } }

    /// Stores requests as the gateway does; what was answered is remembered.
    func record(_ count: Int, description: String = "Un trou") async throws {
        try await withThrowingTaskGroup(of: ServiceRequestID.self) { group in
            for number in 0..<count {
                group.addTask {
                    let submission = try Fixtures.submission(for: self.tenant, description: "\(description) \(number)")
                    return try await self.recorder.record(submission, tenant: self.tenant).id
                }
            }
            for try await id in group { recorded.withLockedValue { _ = $0.insert(id) } }
        }
    }

    var recordedIDs: Set<ServiceRequestID> { recorded.withLockedValue { $0 } }
    var deliveries: [Delivery] { received.withLockedValue { $0 } }

    /// The relay, and a CRM that is connected past the proxy, for the length of the body; then the model's check.
    func withRelay(_ change: (inout RelayConfiguration) -> Void = { _ in }, _ body: () async throws -> Void) async throws {
        var configuration = RelayConfiguration(
            broker: try login(.relay), applicationID: "bus311/test", typePrefix: Fixtures.origin.typePrefix)
        configuration.shards = [tenant.shard]
        change(&configuration)
        let relay = try OutboxRelay(database: addresses.role("bus311_relay"), configuration: configuration, logger: logger, report: report)
        let running = Task { try await relay.run() }
        let issued = try await broker.provisioner.issueCredential(BusTenant(tenant), slot: .a)
        let crm = try Consumer(
            configuration: AMQPConfiguration(
                host: "127.0.0.1", port: UInt16(broker.server.ports.amqp), virtualHost: tenant.virtualHost, user: issued.user,
                password: issued.password.clearText), queue: topology.requestQueue, prefetch: 50)
        let stream = try await crm.start()
        let consuming = Task { [received] in
            for try await delivery in stream {
                received.withLockedValue { $0.append(delivery) }
                try await crm.acknowledge(delivery.tag, multiple: false)
            }
        }
        let outcome: Result<Void, any Error>
        do {
            try await body()
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        running.cancel()
        try? await running.value
        await crm.close()
        _ = try? await consuming.value
        try outcome.get()
    }

    /// Waits for something that the accident must lead to.
    func wait(_ seconds: Int, for what: String, _ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while try await !condition() {
            guard ContinuousClock.now < deadline else { throw Failed(what: "\(name): not within \(seconds) s: \(what)") }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Until every request that was answered has reached the CRM.
    func waitForAll(_ seconds: Int) async throws {
        try await wait(seconds, for: "every event: \(missing.count) of \(recordedIDs.count) missing") { missing.isEmpty }
    }

    private var missing: Set<ServiceRequestID> {
        let seen = Set(deliveries.compactMap { ServiceRequestID($0) })
        return recordedIDs.subtracting(seen)
    }

    func close() async {
        proxy.stop()
        await recorder.close()
    }
}

extension ServiceRequestID {
    /// Of an event that the CRM received.
    fileprivate init?(_ delivery: Delivery) {
        guard let event = try? JSONSerialization.jsonObject(with: Data(delivery.body)) as? [String: Any],
            let data = event["data"] as? [String: Any], let text = data["service_request_id"] as? String, let number = Int64(text)
        else { return nil }
        self.init(stored: number)
    }
}
