import AMQP
import API
import ArgumentParser
import Bus
import Configuration
import Foundation
import Logging
import Open311
import Postgres
import Storage
import SystemPackage

/// Everything that an installation may set; docs/configuration.md explains each. Read once, at start.
struct Settings: Sendable {
    static let version = "0.1.0"

    let reader: ConfigReader

    /// Every setting there is; docs/configuration.md has one row for each.
    static let known = [
        "host", "gateway.port", "gateway.url", "gateway.maximumBodyBytes", "gateway.readConnections", "gateway.contact",
        "gateway.keyService", "gateway.addressLimit", "gateway.keyLimit", "gateway.trustedProxies", "status.port", "status.url",
        "health.port", "database.ingest", "database.gateway", "database.status", "database.relay", "database.watch", "database.admin",
        "database.owner", "broker.relay", "broker.status", "broker.redrive", "broker.management", "broker.provisionerUser",
        "broker.provisionerPassword", "broker.monitorUser", "broker.monitorPassword",
        "media.s3.endpoint", "media.s3.region", "media.s3.bucket", "media.s3.prefix", "media.s3.accessKey", "media.s3.secretKey",
        "media.s3.authorities", "media.s3.allowCleartext",
        "reference.fetch.allow", "reference.fetch.authorities", "media.fetch.allow", "media.fetch.authorities", "media.directory",
        "media.maximumBytes", "media.maximumPhotos",
        "media.maximumPixels", "database.photos", "database.backup", "events.typePrefix",
        "alerts.administrator", "alerts.language", "alerts.timeZone", "alerts.interval", "alerts.rules", "alerts.disks", "alerts.runbooks",
        "alerts.heartbeat", "alerts.webhook.url", "alerts.webhook.secret", "alerts.webhook.allow", "alerts.webhook.authorities",
        "events.schemaBase", "mail.url", "mail.user", "mail.password", "mail.from", "mail.authorities", "mail.allowCleartext",
        "metrics.tenantLabel", "database.mailer", "links.secret", "links.previousSecret", "notices.minuteMilliseconds", "log.level",
        "retention.automatic", "retention.hour", "migrations", "failpoint",
    ]

    /// - Parameters:
    ///   - file: JSON, its members under `bus311`; environment variables (`BUS311_…`) win over it.
    ///   - flags: `key=value` each; they win over both.
    init(file: String?, flags: [String] = []) async throws {
        let chosen = try Dictionary(flags.map(Self.flag), uniquingKeysWith: { $1 })
        var providers: [any ConfigProvider] = [
            EnvironmentVariablesProvider(environmentVariables: chosen), EnvironmentVariablesProvider(),
        ]
        if let file = file ?? ProcessInfo.processInfo.environment["BUS311_CONFIG"] {
            try Self.checkNames(in: file)
            providers.append(try await FileProvider<JSONSnapshot>(filePath: FilePath(file)))
        }
        reader = ConfigReader(providers: providers).scoped(to: "bus311")
        try checkNumbers()
        try checkLogLevel()
    }

    // MARK: Checks

    private static func flag(_ text: String) throws -> (String, String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else { throw ValidationError("--set \(parts[0]): write it as key=value, as in --set gateway.port=9311.") }
        guard known.contains(parts[0]) else {
            throw ValidationError("--set: there is no setting \(parts[0]). They are listed in docs/configuration.md.")
        }
        return (variable(for: parts[0]), parts[1])
    }

    /// A mistyped name would leave its default in force without a word.
    private static func checkNames(in file: String) throws {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw ValidationError(
                "The settings file \(file) cannot be read. Check the path given with --config or BUS311_CONFIG, and its rights.")
        }
        let document: Any
        do { document = try JSONSerialization.jsonObject(with: data) } catch {
            throw ValidationError("The settings file \(file) is not JSON: \(error.localizedDescription)")
        }
        guard let settings = (document as? [String: Any])?["bus311"] as? [String: Any] else {
            throw ValidationError("The settings file \(file) has no object bus311: its settings stand in there.")
        }
        let unknown = names(in: settings).filter { !known.contains($0) }.sorted()
        guard unknown.isEmpty else {
            throw ValidationError(
                "The settings file \(file) has unknown settings: \(unknown.joined(separator: ", ")). They are listed in docs/configuration.md."
            )
        }
    }

    private static func names(in object: [String: Any], under prefix: String = "") -> [String] {
        object.flatMap { name, value in
            (value as? [String: Any]).map { names(in: $0, under: prefix + name + ".") } ?? [prefix + name]
        }
    }

    private static let numbers: [(key: String, range: ClosedRange<Int>)] = [
        ("gateway.port", 1...65_535),
        ("status.port", 1...65_535),
        ("health.port", 1...65_535),
        ("gateway.maximumBodyBytes", 1...Int.max),
        ("gateway.readConnections", 1...16),
        ("gateway.addressLimit", 0...Int(Int32.max)),
        ("gateway.keyLimit", 0...Int(Int32.max)),
        ("alerts.interval", 1...15),
        ("retention.hour", 0...23),
        ("media.maximumBytes", 1...Int(Int32.max)),
        ("media.maximumPhotos", 1...ServiceRequestEvent.maximumMedia),
        ("media.maximumPixels", 1...200_000_000),
        ("notices.minuteMilliseconds", 1...60_000),
    ]

    /// The reader answers the default for a value that it cannot read: a mistyped port would silently open another one.
    private func checkNumbers() throws {
        for (name, range) in Self.numbers {
            let key = ConfigKey(name)
            if let value = reader.int(forKey: key) {
                guard range.contains(value) else {
                    throw ValidationError(
                        "\(name) is \(value): it must be \(range.lowerBound) to \(range.upperBound). \(Self.place(of: name))")
                }
            } else if reader.string(forKey: key) != nil || reader.double(forKey: key) != nil || reader.bool(forKey: key) != nil {
                throw ValidationError("\(name) is not a whole number. \(Self.place(of: name))")
            }
        }
    }

    private func checkLogLevel() throws {
        guard let text = reader.string(forKey: "log.level"), Logger.Level(rawValue: text) == nil else { return }
        let known = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("log.level is \(text): it must be one of \(known). \(Self.place(of: "log.level"))")
    }

    /// Where an operator sets `key`.
    static func place(of key: String) -> String {
        "Set it in the file named by --config, in \(variable(for: key)), or with --set \(key)=…"
    }

    /// The environment variable that holds `key`: `broker.provisionerUser` is BUS311_BROKER_PROVISIONER_USER.
    private static func variable(for key: String) -> String {
        "BUS311_" + key.reduce(into: "") { $0 += $1 == "." ? "_" : $1.isUppercase ? "_\($1)" : $1.uppercased() }
    }

    // MARK: Addresses

    var host: String { reader.string(forKey: "host", default: "127.0.0.1") }
    var gatewayPort: Int { reader.int(forKey: "gateway.port", default: 8311) }
    var statusIngestPort: Int { reader.int(forKey: "status.port", default: 8312) }
    var healthPort: Int { reader.int(forKey: "health.port", default: 8319) }
    var gatewayURL: String { reader.string(forKey: "gateway.url", default: "http://127.0.0.1:\(gatewayPort)/open311/v2") }
    var statusIngestURL: String { reader.string(forKey: "status.url", default: "http://127.0.0.1:\(statusIngestPort)") }
    var maximumBodyBytes: Int { reader.int(forKey: "gateway.maximumBodyBytes", default: 131_072) }
    var readConnections: Int { reader.int(forKey: "gateway.readConnections", default: 4) }
    /// Requests a minute; 0 for no limit.
    var addressLimit: RateLimit { RateLimit(perMinute: reader.int(forKey: "gateway.addressLimit", default: 1_200)) }
    var keyLimit: RateLimit { RateLimit(perMinute: reader.int(forKey: "gateway.keyLimit", default: 30_000)) }
    var contact: String? { reader.string(forKey: "gateway.contact") }
    var keyService: String? { reader.string(forKey: "gateway.keyService") }
    var trustedProxies: TrustedProxies {
        get throws {
            guard let proxies = TrustedProxies(parsing: reader.string(forKey: "gateway.trustedProxies", default: "")) else {
                throw ValidationError(
                    "gateway.trustedProxies is no list of addresses and networks, as in 127.0.0.1, 10.0.0.0/8. "
                        + Self.place(of: "gateway.trustedProxies"))
            }
            return proxies
        }
    }
    var logLevel: Logger.Level { Logger.Level(rawValue: reader.string(forKey: "log.level", default: "info")) ?? .info }
    /// Whether metrics tell tenants apart.
    var tellsTenants: Bool { reader.bool(forKey: "metrics.tenantLabel", default: true) }
    /// Off only for the benchmark that says what the audit costs.
    var isAudited: Bool { reader.string(forKey: "failpoint") != "gateway-without-audit" }
    var migrations: String? { reader.string(forKey: "migrations") }

    var origin: ServiceRequestEvent.Origin {
        ServiceRequestEvent.Origin(
            typePrefix: reader.string(forKey: "events.typePrefix", default: "org.bus311"),
            // The gateway itself publishes them.
            schemaBase: reader.string(
                forKey: "events.schemaBase", default: ServiceRequestEvent.Origin.root(of: gatewayURL) + "/schemas"),
            gatewayURL: gatewayURL,
            statusIngestURL: statusIngestURL
        )
    }

    // MARK: Photos

    var photoLimits: PhotoLimits {
        let bytes = reader.int(forKey: "media.maximumBytes", default: 10_485_760)
        return PhotoLimits(
            maximumBytes: bytes, maximumCount: reader.int(forKey: "media.maximumPhotos", default: 5), maximumTotalBytes: 3 * bytes)
    }
    var maximumPixels: Int { reader.int(forKey: "media.maximumPixels", default: 50_000_000) }

    // MARK: Secrets

    /// The database as one role: `database.<role>`, a libpq connection string.
    func database(_ role: DatabaseRole) throws -> PostgresConfiguration {
        let text = try required("database.\(role.rawValue)", hint: "a PostgreSQL connection string for the role \(role.rawValue)")
        return PostgresConfiguration(connectionString: text, applicationName: "bus311-\(role.rawValue)")
    }

    enum DatabaseRole: String { case ingest, gateway, status, relay, watch, admin, photos, mailer, owner, backup }

    var relay: RelayConfiguration {
        get throws {
            let uri = try required("broker.relay", hint: "the amqp:// or amqps:// URI of the relay's user")
            let chosen = reader.string(forKey: "failpoint")
            return RelayConfiguration(
                broker: try AMQPConfiguration(uri: uri), applicationID: "bus311/\(Self.version)", typePrefix: origin.typePrefix,
                failPoint: chosen.flatMap { FailPoint(rawValue: $0) })
        }
    }

    /// The status consumer's way to the broker; nil where statuses come by REST only.
    var statusBroker: AMQPConfiguration? {
        get throws {
            guard let uri = reader.string(forKey: "broker.status", isSecret: true) else { return nil }
            return try AMQPConfiguration(uri: uri)
        }
    }

    /// The way to the dead letters.
    var redriveBroker: AMQPConfiguration {
        get throws {
            try AMQPConfiguration(uri: try required("broker.redrive", hint: "the amqp:// or amqps:// URI of the user svc.redrive"))
        }
    }

    var managementURL: String {
        get throws { try required("broker.management", hint: "the management API's URL, as in http://127.0.0.1:15672") }
    }
    var provisionerUser: String { reader.string(forKey: "broker.provisionerUser", default: "svc.provisioner") }
    var provisionerPassword: String {
        get throws { try required("broker.provisionerPassword", hint: "the password of the provisioner's broker user") }
    }

    var monitorUser: String { reader.string(forKey: "broker.monitorUser", default: "svc.monitor") }
    /// Nil where the watch does not look at the broker.
    var monitorPassword: String? { reader.string(forKey: "broker.monitorPassword", isSecret: true) }

    func required(_ key: String, hint: String) throws -> String {
        guard let value = reader.string(forKey: ConfigKey(key), isSecret: true) else {
            throw ValidationError("\(key) is not set: \(hint). \(Self.place(of: key))")
        }
        return value
    }
}

/// Options that every command shares.
struct CommonOptions: ParsableArguments {
    @Option(name: .long, help: "Settings file (JSON). BUS311_CONFIG names it too.")
    var config: String?

    @Option(name: .long, help: "text for people, json for scripts.")
    var format: OutputFormat = .text

    enum OutputFormat: String, ExpressibleByArgument {
        case text, json

        /// Prints one or the other form.
        func show(text: String, json: any Encodable) throws {
            switch self {
            case .text: print(TerminalText.harmless(text))
            case .json:
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(json), as: UTF8.self))
            }
        }
    }

    @Option(name: .customLong("set"), help: "One setting, before environment and file: --set gateway.port=9311. Repeat for more.")
    var flags: [String] = []

    func settings() async throws -> Settings { try await Settings(file: config, flags: flags) }

    /// Prints one or the other form.
    func show(text: String, json: any Encodable) throws { try format.show(text: text, json: json) }
}
