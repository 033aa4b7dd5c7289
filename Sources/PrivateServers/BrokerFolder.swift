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
    /// Nil for a broker that stands alone.
    var member: ClusterMember?

    var home: URL { root.appendingPathComponent("home") }
    var logs: URL { root.appendingPathComponent("log") }
    var console: URL { logs.appendingPathComponent("console.log") }
    /// What every node of a cluster shares: passwords, cookie, certificates and definitions.
    var shared: URL { member?.shared ?? root }
    var definitions: URL { shared.appendingPathComponent("definitions.json") }
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
        let secrets = shared.appendingPathComponent("secrets")
        try SecretFile.makeFolder(secrets)
        return try SecretFile.password(at: secrets.appendingPathComponent(user.rawValue))
    }

    /// The node's name: made from the folder once, then remembered, because the data are kept under it.
    func nodeName() throws -> String {
        if let member { return member.nodeName }
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
        try writeCookie()
        if member == nil { try writeDefinitions() }
        try SecretFile.write(settings, to: overrides.appendingPathComponent("private.conf"))
        // Debian 12 brings 3.10; the TLS and cluster files hold a site's own names.
        let only310 = "90-3.10-only.conf"
        try SecretFile.write(try source("conf.d/\(only310)"), to: overrides.appendingPathComponent(only310))
        if let member {
            let cluster = "20-cluster.conf"
            try SecretFile.write(member.render(try source("conf.d/\(cluster)")), to: overrides.appendingPathComponent(cluster))
            try SecretFile.write(member.render(try source("cluster/rabbitmq-env.conf"), own: true), to: environmentFile)
            try SecretFile.write(try source("cluster/\(ClusterMember.rejoin)"), to: root.appendingPathComponent(ClusterMember.rejoin))
        }
        for program in Self.programs { try writeControlScript(program) }
    }

    /// Vhost, users and policies with this folder's passwords; in a cluster once for all nodes.
    func writeDefinitions() throws {
        try SecretFile.makeFolder(shared)
        var passwords: [String: String] = [:]
        for user in ServiceUser.allCases { passwords[user.rawValue] = try password(of: user) }
        let base = configuration.appendingPathComponent("definitions/base.json")
        try SecretFile.write(BrokerDefinitions.render(base: base, passwords: passwords), to: definitions)
    }

    private func writeCookie() throws {
        let cookie = home.appendingPathComponent(".erlang.cookie")
        guard !FileManager.default.fileExists(atPath: cookie.path) else { return }
        if let member {
            try SecretFile.write(try SecretFile.password(at: member.shared.appendingPathComponent("secrets/erlang-cookie")), to: cookie)
        } else {
            _ = try SecretFile.password(at: cookie)
        }
        chmod(cookie.path, 0o400)
    }

    private func source(_ name: String) throws -> String {
        let file = configuration.appendingPathComponent(name)
        do { return try String(contentsOf: file, encoding: .utf8) } catch {
            throw PrivateServerError.file(path: file.path, what: "cannot be read: \(error.localizedDescription)")
        }
    }

    private var environmentFile: URL { root.appendingPathComponent("rabbitmq-env.conf") }

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
        // The nodes of a cluster learn their name from their own rabbitmq-env.conf, as on a site.
        let name = member == nil ? ["RABBITMQ_NODENAME": try nodeName()] : [:]
        return Program.environment.merging(name) { $1 }.merging([
            "HOME": home.path,
            "RABBITMQ_MNESIA_BASE": root.appendingPathComponent("mnesia").path,
            "RABBITMQ_LOG_BASE": logs.path,
            "RABBITMQ_GENERATED_CONFIG_DIR": root.appendingPathComponent("generated").path,
            "RABBITMQ_CONFIG_FILE": configuration.appendingPathComponent("rabbitmq").path,
            "RABBITMQ_CONFIG_FILES": overrides.path,
            "RABBITMQ_ADVANCED_CONFIG_FILE": root.appendingPathComponent("advanced").path,
            "RABBITMQ_ENABLED_PLUGINS_FILE": configuration.appendingPathComponent("enabled_plugins").path,
            "RABBITMQ_CONF_ENV_FILE": member == nil ? "/dev/null" : environmentFile.path,
            "RABBITMQ_DIST_PORT": "\(ports.distribution)",
            "ERL_EPMD_PORT": "\(ports.epmd)",
            "ERL_EPMD_ADDRESS": ClusterMember.addresses(of: member),
        ]) { $1 }
    }

    private static let programs = ["rabbitmqctl", "rabbitmq-queues", "rabbitmq-diagnostics", "rabbitmq-upgrade"]

    /// `bin/rabbitmqctl` and its neighbours: the usual commands, aimed at this broker.
    private func writeControlScript(_ name: String) throws {
        let program = try Self.scripts().appendingPathComponent(name).path
        let assignments = try environment().filter { $0.key != "PATH" }.sorted { $0.key < $1.key }
            .map { "export \($0.key)='\($0.value.replacingOccurrences(of: "'", with: "'\\''"))'" }
        let text = "#!/bin/sh\n# \(name) for this private broker\n" + assignments.joined(separator: "\n") + "\nexec \(program) \"$@\"\n"
        try SecretFile.write(text, to: root.appendingPathComponent("bin/\(name)"), mode: 0o700)
    }
}
