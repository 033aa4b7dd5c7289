import AMQP
import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// A RabbitMQ of the tests' own: free ports, its own directory, ended when the test process ends however it ends.
actor PrivateBroker {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private static let executables = "/usr/lib/rabbitmq/bin"

    /// Whether this machine has a broker to start.
    static var isAvailable: Bool { FileManager.default.isExecutableFile(atPath: "\(executables)/rabbitmq-server") }

    /// The broker that tests share when they leave it as they found it.
    static let shared = Task { try await PrivateBroker() }

    nonisolated let port: UInt16
    nonisolated let tlsPort: UInt16
    nonisolated let directory: URL
    private let environment: [String: String]
    private let keeper: Process
    /// Its end tells the keeper that the test process is gone.
    private let lifeline: Pipe
    private var pid: pid_t = 0

    init() async throws {
        let ports = try Self.freePorts(4)
        (port, tlsPort) = (ports[0], ports[1])
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("amqp-tests-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let path = directory.path
        try await Self.makeCertificates(in: directory)
        try """
        listeners.tcp.1 = 127.0.0.1:\(ports[0])
        listeners.ssl.1 = 127.0.0.1:\(ports[1])
        ssl_options.cacertfile = \(path)/ca.pem
        ssl_options.certfile = \(path)/server.pem
        ssl_options.keyfile = \(path)/server.key
        ssl_options.verify = verify_peer
        ssl_options.fail_if_no_peer_cert = false
        auth_mechanisms.1 = PLAIN
        auth_mechanisms.2 = EXTERNAL
        ssl_cert_login_from = common_name
        log.file.level = warning
        disk_free_limit.absolute = 1MB
        """.write(toFile: "\(path)/rabbitmq.conf", atomically: true, encoding: .utf8)
        try "[rabbitmq_auth_mechanism_ssl].\n".write(toFile: "\(path)/enabled_plugins", atomically: true, encoding: .utf8)
        environment = [
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": path, "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": "\(ports[2])", "ERL_EPMD_ADDRESS": "127.0.0.1", "RABBITMQ_DIST_PORT": "\(ports[3])",
            "RABBITMQ_NODENAME": "amqp\(ports[0])@localhost", "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_MNESIA_BASE": "\(path)/mnesia", "RABBITMQ_LOG_BASE": "\(path)/log",
            "RABBITMQ_CONFIG_FILE": "\(path)/rabbitmq.conf", "RABBITMQ_ENABLED_PLUGINS_FILE": "\(path)/enabled_plugins",
            "RABBITMQ_PID_FILE": "\(path)/pid",
        ]
        lifeline = Pipe()
        keeper = Process()
        keeper.executableURL = URL(fileURLWithPath: "/bin/sh")
        keeper.arguments = [
            "-c",
            """
            setsid \(Self.executables)/rabbitmq-server </dev/null >"$HOME/output" 2>&1 &
            cat >/dev/null
            kill -9 "$(cat "$HOME/pid")" 2>/dev/null
            epmd -kill >/dev/null 2>&1
            rm -rf "$HOME"
            """,
        ]
        keeper.environment = environment
        keeper.standardInput = lifeline
        try keeper.run()
        try await waitUntilReady()
    }

    func configuration(heartbeat: Int = 15, password: String = "guest") -> AMQPConfiguration {
        AMQPConfiguration(
            host: "127.0.0.1",
            port: port,
            user: "guest",
            password: password,
            heartbeat: heartbeat,
            connectionName: "AMQPIntegrationTests",
            handshakeTimeout: .seconds(20),
            rpcTimeout: .seconds(20)
        )
    }

    private func waitUntilReady() async throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(90))
        while true {
            do {
                let channel = try AMQPChannel(configuration: configuration())
                defer { Task { await channel.close() } }
                try await channel.passiveDeclare(exchange: "amq.direct")
                break
            } catch {
                guard ContinuousClock.now < deadline else { throw Failure(description: "the broker did not start: \(error)") }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
        let text = try String(contentsOf: directory.appendingPathComponent("pid"), encoding: .utf8)
        guard let pid = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw Failure(description: "the broker left no process id")
        }
        self.pid = pid
    }

    // MARK: Faults

    func signal(_ number: Int32) throws {
        guard pid > 0, kill(pid, number) == 0 else { throw Failure(description: "cannot signal the broker: errno \(errno)") }
    }

    /// Freezes the broker for the length of the body: the kernel goes on accepting what is sent to it.
    nonisolated func frozen(_ body: () async throws -> Void) async throws {
        try await signal(SIGSTOP)
        do {
            try await body()
        } catch {
            try await signal(SIGCONT)
            throw error
        }
        try await signal(SIGCONT)
    }

    /// Raises a memory alarm for the length of the body.
    nonisolated func inMemoryAlarm(_ body: () async throws -> Void) async throws {
        try await control("set_vm_memory_high_watermark", "0.00001")
        do {
            try await body()
        } catch {
            try await control("set_vm_memory_high_watermark", "0.4")
            throw error
        }
        try await control("set_vm_memory_high_watermark", "0.4")
    }

    func control(_ arguments: String...) async throws {
        try await Self.run("\(Self.executables)/rabbitmqctl", arguments, environment: environment)
    }

    // MARK: Pieces

    private static func makeCertificates(in directory: URL) async throws {
        let script = """
            cd "\(directory.path)"
            new() { openssl req -new -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null; }
            for ca in ca stranger; do
                openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$ca" -keyout $ca.key -out $ca.pem 2>/dev/null
            done
            new server localhost
            printf 'subjectAltName=DNS:localhost' > extensions
            sign() { openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial $3 -out "$1.pem" 2>/dev/null; }
            sign server ca "-days 2 -extfile extensions"
            new guest guest && sign guest ca "-days 2"
            new unknown nobody.here && sign unknown ca "-days 2"
            new forged guest && sign forged stranger "-days 2"
            mkdir certs; touch index; echo 01 > serial
            printf '[ca]\ndefault_ca=a\n[a]\ndatabase=index\nserial=serial\nnew_certs_dir=certs\ndefault_md=sha256\npolicy=p\n[p]\n' > past.cnf
            printf 'commonName=supplied\n' >> past.cnf
            openssl ca -batch -config past.cnf -cert ca.pem -keyfile ca.key -in server.csr -out expired.pem -notext \
                -startdate 20200101000000Z -enddate 20200201000000Z -extfile extensions 2>/dev/null
            """
        try await run("/bin/sh", ["-e", "-c", script], environment: ["PATH": "/usr/bin:/bin"])
    }

    private static func run(_ path: String, _ arguments: [String], environment: [String: String]) async throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        let status: Int32 = try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
        guard status == 0 else { throw Failure(description: "\(path) \(arguments) ended with \(status)") }
    }

    /// Ports that nothing used a moment ago; all are held until the last is known, so that they differ.
    private static func freePorts(_ count: Int) throws -> [UInt16] {
        var sockets: [Int32] = []
        defer { sockets.forEach { _ = close($0) } }
        return try (0..<count).map { _ in
            let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            sockets.append(socket)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let result = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    bind(socket, address, length) == 0 && getsockname(socket, address, &length) == 0
                }
            }
            guard result else { throw Failure(description: "no free port: errno \(errno)") }
            return UInt16(bigEndian: address.sin_port)
        }
    }
}
