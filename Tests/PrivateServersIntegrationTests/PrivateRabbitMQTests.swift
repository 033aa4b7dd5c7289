import Foundation
import PrivateServers
import Testing

/// One broker for the suite: its start takes seconds.
@Suite("A private RabbitMQ", .serialized)
struct PrivateRabbitMQTests {
    @Test("starts with the vhost, users, permissions, policies and shared queues of broker-config, survives kill -9 and stops")
    func wholeLife() async throws {
        let sandbox = try Sandbox(slot: 3)
        defer { sandbox.remove() }
        let broker = PrivateRabbitMQ(
            directory: sandbox.directory.appendingPathComponent("rabbitmq"),
            ports: sandbox.ports.rabbitMQ,
            configuration: Sandbox.configuration
        )
        try await broker.start()
        try checkConfiguration(of: broker)
        try checkPasswords(of: broker)
        try checkSettings(of: broker)
        try await checkPolicyScripts(with: broker)

        let first = try #require(await broker.pid)
        await broker.freeze()
        #expect(try output(of: "/usr/bin/ps", ["-o", "stat=", "-p", "\(first)"]).hasPrefix("T"))
        await broker.thaw()

        await broker.kill9()
        #expect(await broker.exit() == .signalled(9))
        #expect(throws: Never.self) { try sandbox.ports.checkFree() }
        try await broker.start()
        try checkConfiguration(of: broker)

        await broker.stop()
        #expect(await !broker.isAlive)
        #expect(try output(of: "/usr/bin/pgrep", ["-f", sandbox.directory.path]).isEmpty)
        #expect(throws: Never.self) { try sandbox.ports.checkFree() }
    }

    private func ask(_ path: String, of broker: PrivateRabbitMQ) throws -> [[String: any Sendable]] {
        let text = try output(
            of: "/usr/bin/curl",
            ["-s", "-u", "svc.provisioner:\(try broker.password(of: .provisioner))", broker.managementURL + "/api/" + path]
        )
        return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: any Sendable]], "\(path): \(text)")
    }

    /// A key of `conf.d/90-3.10-only.conf` and one of `rabbitmq.conf`.
    private func checkSettings(of broker: PrivateRabbitMQ) throws {
        let keys = ["cluster_partition_handling", "max_message_size"]
        let question = keys.map { "element(2, application:get_env(rabbit, \($0)))" }.joined(separator: ", ")
        let answer = try output(of: broker.directory.appendingPathComponent("bin/rabbitmqctl").path, ["eval", "{\(question)}."])
        #expect(answer.contains("{pause_minority,1048576}"), "\(answer)")
    }

    private func checkConfiguration(of broker: PrivateRabbitMQ) throws {
        #expect(try ask("vhosts", of: broker).compactMap { $0["name"] as? String } == ["open311"])
        let users = try ask("users", of: broker).compactMap { $0["name"] as? String }
        #expect(Set(users) == Set(ServiceUser.allCases.map(\.rawValue)), "guest must not exist")

        let permissions = try ask("permissions", of: broker)
        let rights = Dictionary(
            uniqueKeysWithValues: permissions.map { entry in
                (entry["user"] as? String ?? "", ["configure", "write", "read"].map { entry[$0] as? String ?? "missing" })
            }
        )
        #expect(rights["svc.relay"] == ["^$", #"^o311\.[a-z0-9-]+\.out$"#, "^$"])
        #expect(rights["svc.status-ingest"] == ["^$", "^$", #"^o311\.([a-z0-9-]+\.status-in|stray)$"#])
        #expect(rights["svc.redrive"] == ["^$", #"^o311\.[a-z0-9-]+\.out$"#, #"^o311\.([a-z0-9-]+\.dead|status\.dead|stray)$"#])
        #expect(rights["svc.provisioner"] == [#"^o311\."#, #"^o311\."#, #"^o311\."#])
        #expect(rights["svc.monitor"] == ["^$", "^$", "^$"])

        let policies = Set(try ask("policies/open311", of: broker).compactMap { $0["name"] as? String })
        #expect(
            policies == [
                "o311-requests", "o311-dead", "o311-status-in", "o311-receipts", "o311-status-dead", "o311-stray", "o311-status-x",
            ]
        )
        #expect(try ask("operator-policies/open311", of: broker).compactMap { $0["name"] as? String } == ["o311-ceiling"])

        let queues = try ask("queues/open311", of: broker)
        #expect(Set(queues.compactMap { $0["name"] as? String }) == ["o311.status.dead", "o311.stray"])
        let exchanges = Set(try ask("exchanges/open311", of: broker).compactMap { $0["name"] as? String })
        #expect(exchanges.isSuperset(of: ["o311.dlx", "o311.dlx.status", "o311.stray"]))
    }

    private func checkPolicyScripts(with broker: PrivateRabbitMQ) async throws {
        func run(_ script: String) throws -> String {
            try output(
                of: Sandbox.configuration.appendingPathComponent("policies/\(script).sh").path,
                [],
                environment: ["RABBITMQCTL": broker.directory.appendingPathComponent("bin/rabbitmqctl").path]
            )
        }
        #expect(try run("check").isEmpty)
        _ = try await broker.control(["clear_policy", "-p", PrivateRabbitMQ.vhost, "o311-dead"])
        #expect(try run("check").hasPrefix("o311-dead: missing"))
        #expect(try run("apply").contains("o311-ceiling"))
        #expect(try run("check").isEmpty)
    }

    private func checkPasswords(of broker: PrivateRabbitMQ) throws {
        func code(_ user: String, _ password: String) throws -> String {
            try output(
                of: "/usr/bin/curl",
                ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-u", "\(user):\(password)", broker.managementURL + "/api/overview"]
            )
        }
        #expect(try code("svc.monitor", try broker.password(of: .monitor)) == "200")
        #expect(try code("svc.monitor", "wrong") == "401")
        #expect(try code("guest", "guest") == "401")
        let secret = broker.directory.appendingPathComponent("secrets/svc.relay").path
        #expect(try output(of: "/usr/bin/stat", ["-c", "%a", secret]) == "600")
    }
}
