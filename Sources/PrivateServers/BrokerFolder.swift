import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// The files of one private RabbitMQ, and the environment that makes its programs use them and nothing of the system's.
struct BrokerFolder: Sendable {
    let root: URL
    let ports: RabbitMQPorts
    /// The repository's `broker-config`.
    let configuration: URL

    var home: URL { root.appendingPathComponent("home") }
    var logs: URL { root.appendingPathComponent("log") }
    var console: URL { logs.appendingPathComponent("console.log") }
    var definitions: URL { root.appendingPathComponent("definitions.json") }
    private var overrides: URL { root.appendingPathComponent("conf.d") }

    /// Where Debian keeps RabbitMQ's own scripts; the wrappers in /usr/sbin insist on the packaged account and folders.
    static func scripts() throws -> URL {
        let folder = URL(fileURLWithPath: "/usr/lib/rabbitmq/bin")
        guard FileManager.default.isExecutableFile(atPath: folder.appendingPathComponent("rabbitmq-server").path) else {
            throw PrivateServerError.programMissing(program: "rabbitmq-server", remedy: "make deps, or apt-get install rabbitmq-server")
        }
        return folder
    }

    /// The password of a service user, made on the first call.
    func password(of user: ServiceUser) throws -> String {
        let secrets = root.appendingPathComponent("secrets")
        try SecretFile.makeFolder(secrets)
        return try SecretFile.password(at: secrets.appendingPathComponent(user.rawValue))
    }

    /// The node's name: made from the folder once, then remembered, because the data are kept under it.
    func nodeName() throws -> String {
        let file = root.appendingPathComponent("node-name")
        if let name = try? String(contentsOf: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines), !name.isEmpty {
            return name
        }
        let name = BrokerDefinitions.nodeName(for: root)
        try SecretFile.write(name, to: file)
        return name
    }

    /// Writes everything the broker reads at boot. The data stay as they are.
    func prepare() throws {
        for folder in [root, home, logs, overrides, root.appendingPathComponent("mnesia"), root.appendingPathComponent("bin")] {
            try SecretFile.makeFolder(folder)
        }
        let cookie = home.appendingPathComponent(".erlang.cookie")
        if !FileManager.default.fileExists(atPath: cookie.path) {
            _ = try SecretFile.password(at: cookie)
            chmod(cookie.path, 0o400)
        }
        var passwords: [String: String] = [:]
        for user in ServiceUser.allCases { passwords[user.rawValue] = try password(of: user) }
        let base = configuration.appendingPathComponent("definitions/base.json")
        try SecretFile.write(BrokerDefinitions.render(base: base, passwords: passwords), to: definitions)
        try SecretFile.write(settings, to: overrides.appendingPathComponent("private.conf"))
        // Debian 12 brings 3.10; the TLS and cluster files hold a site's own names.
        let only310 = "90-3.10-only.conf"
        let text = try String(contentsOf: configuration.appendingPathComponent("conf.d/\(only310)"), encoding: .utf8)
        try SecretFile.write(text, to: overrides.appendingPathComponent(only310))
        try writeControlScript()
    }

    /// The keys in which a private broker differs from `rabbitmq.conf`.
    private var settings: String {
        """
        listeners.tcp.1 = 127.0.0.1:\(ports.amqp)
        management.tcp.ip = 127.0.0.1
        management.tcp.port = \(ports.management)
        prometheus.tcp.ip = 127.0.0.1
        prometheus.tcp.port = \(ports.prometheus)
        disk_free_limit.absolute = 200MB
        definitions.import_backend = local_filesystem
        definitions.local.path = \(definitions.path)

        """
    }

    /// Everything that a RabbitMQ program must be told to leave the system's own broker alone.
    func environment() throws -> [String: String] {
        Program.environment.merging([
            "HOME": home.path,
            "RABBITMQ_NODENAME": try nodeName(),
            "RABBITMQ_MNESIA_BASE": root.appendingPathComponent("mnesia").path,
            "RABBITMQ_LOG_BASE": logs.path,
            "RABBITMQ_GENERATED_CONFIG_DIR": root.appendingPathComponent("generated").path,
            "RABBITMQ_CONFIG_FILE": configuration.appendingPathComponent("rabbitmq").path,
            "RABBITMQ_CONFIG_FILES": overrides.path,
            "RABBITMQ_ADVANCED_CONFIG_FILE": root.appendingPathComponent("advanced").path,
            "RABBITMQ_ENABLED_PLUGINS_FILE": configuration.appendingPathComponent("enabled_plugins").path,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_DIST_PORT": "\(ports.distribution)",
            "ERL_EPMD_PORT": "\(ports.epmd)",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        ]) { $1 }
    }

    /// `bin/rabbitmqctl`: the usual command, aimed at this broker.
    private func writeControlScript() throws {
        let program = try Self.scripts().appendingPathComponent("rabbitmqctl").path
        let assignments = try environment().filter { $0.key != "PATH" }.sorted { $0.key < $1.key }
            .map { "export \($0.key)='\($0.value.replacingOccurrences(of: "'", with: "'\\''"))'" }
        let text = "#!/bin/sh\n# rabbitmqctl for this private broker\n" + assignments.joined(separator: "\n") + "\nexec \(program) \"$@\"\n"
        try SecretFile.write(text, to: root.appendingPathComponent("bin/rabbitmqctl"), mode: 0o700)
    }
}
