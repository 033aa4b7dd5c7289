import API
import ArgumentParser
import Bus
import CoreMetrics
import Curl
import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import Metrics
import Open311
import Operations
import ServiceLifecycle
import Storage
import UnixSignals

#if canImport(Glibc)
    import Glibc
#endif

/// The long-running services; each can be a process of its own, with its own database role and broker user.
struct Services {
    private let settings: Settings
    private let registry: HealthRegistry
    private let metrics: PrometheusMetrics
    private var list: [any ServiceLifecycle.Service] = []

    init(_ settings: Settings) {
        self.settings = settings
        let level = settings.logLevel
        LoggingSystem.bootstrap { JSONLogHandler(label: $0, level: level) }
        metrics = PrometheusMetrics(tellsTenants: settings.tellsTenants)
        MetricsSystem.bootstrap(metrics)
        registry = HealthRegistry(logger: Logger(label: "health"))
        Gauge(label: "o311_build_info", dimensions: [("version", Settings.version), ("commit", BuildCommit.text)]).record(1)
    }

    private func logger(_ name: String) -> Logger { Logger(label: name) }

    private func http<Responder: HTTPResponder>(
        _ responder: Responder, host: String, port: Int, _ name: String, server: HTTPServerBuilder = .http1()
    ) -> any ServiceLifecycle.Service
    where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
        Application(
            responder: responder, server: server,
            configuration: ApplicationConfiguration(address: .hostname(host, port: port), serverName: "bus311"),
            logger: logger(name))
    }

    /// How a service of this process says what has become of what it depends on.
    private func report(_ service: String) -> @Sendable (String, Bool, String) -> Void {
        let registry = self.registry
        return { registry.report("\(service).\($0)", isOK: $1, detail: $2) }
    }

    /// An unreachable database does not stop the start: the directory goes on trying, and the health page says so meanwhile.
    private func directory(_ role: Settings.DatabaseRole, of service: String) async throws -> TenantDirectory {
        let report = report(service)
        let directory = try TenantDirectory(configuration: try settings.database(role), logger: logger(service)) {
            report("postgresql", $0, $1)
        }
        try? await directory.load()
        return directory
    }

    /// Before what it is told by in the list: services stop in the other order.
    private mutating func audit(_ role: Settings.DatabaseRole, of service: String) throws -> AuditRecorder {
        let recorder = try AuditRecorder(
            configuration: try settings.database(role), service: service, logger: logger(service), report: AuditMetrics.report(service))
        list.append(AuditService(recorder: recorder))
        // In a process of several services the last one writes down what all of them ask of others, each under its own name.
        OutgoingCalls.observe { await recorder.record(AuditEntry($0, by: $0.actor ?? service), mayMerge: true) }
        return recorder
    }

    /// What these services ask of others is asked by this one.
    ///
    /// - Parameter add: puts them into the list.
    mutating func naming(_ actor: String, _ add: (inout Services) async throws -> Void) async throws {
        let first = list.count
        defer { for place in list.indices.dropFirst(first) { list[place] = NamedService(service: list[place], actor: actor) } }
        try await add(&self)
    }

    mutating func addGateway() async throws {
        let audit = try audit(.gateway, of: "gateway")
        let directory = try await directory(.gateway, of: "gateway")
        let recorder = try SubmissionRecorder(
            configuration: try settings.database(.ingest), origin: settings.origin, logger: logger("gateway"))
        let reader = try ServiceRequestReader(configuration: try settings.database(.gateway), connections: settings.readConnections)
        let keyUses = try KeyUseRecorder(configuration: try settings.database(.gateway), logger: logger("gateway"))
        let gateway = GeoReportGateway(
            directory: directory, recorder: recorder, reader: reader, keyUses: keyUses,
            citizenUpdates: try CitizenUpdateStore(configuration: try settings.database(.gateway), origin: settings.origin),
            places: try PlaceStore(configuration: try settings.database(.gateway), connections: 2),
            photos: try settings.media.map { media in
                (media: media, reader: try PhotoReader(configuration: try settings.database(.gateway)))
            },
            alerts: try AlertLinkStore(configuration: try settings.database(.gateway)),
            links: try settings.linkSecret.map { secret in
                (
                    secret: secret, people: try PersonStore(configuration: try settings.database(.gateway)),
                    decisions: try StatusUpdateStore(configuration: try settings.database(.gateway), connections: 1),
                    origin: settings.origin
                )
            },
            configuration: GatewayConfiguration(
                publicURL: settings.gatewayURL, maximumBodyBytes: settings.maximumBodyBytes,
                trustedProxies: try settings.trustedProxies, addressLimit: settings.addressLimit, keyLimit: settings.keyLimit,
                contact: settings.contact, keyService: settings.keyService,
                photoLimits: settings.photoLimits, failPoint: settings.mediaFailPoint),
            logger: logger("gateway"), audit: settings.isAudited ? audit : nil)
        list.append(DirectoryService(directory: directory))
        list.append(KeyUseService(keyUses: keyUses))
        if let media = try settings.media { list.append(IncomingSweep(media: media, logger: logger("gateway"))) }
        list.append(http(gateway, host: settings.host, port: settings.gatewayPort, "gateway", server: GatewayConnections.server()))
    }

    mutating func addStatusIngest() async throws {
        let audit = try audit(.status, of: "status-ingest")
        let directory = try await directory(.status, of: "status-ingest")
        let updates = try StatusUpdateStore(configuration: try settings.database(.status))
        let keyUses = try KeyUseRecorder(configuration: try settings.database(.status), logger: logger("status-ingest"))
        list.append(DirectoryService(directory: directory))
        list.append(KeyUseService(keyUses: keyUses))
        let service = StatusIngestService(
            directory: directory, updates: updates, liveCounts: try LiveCountStore(configuration: try settings.database(.status)),
            keyUses: keyUses, references: try ReferenceStore(configuration: try settings.database(.status), connections: 4),
            origin: settings.origin,
            logger: logger("status-ingest"),
            audit: audit,
            // Tenants share its connection: one that asks for a year holds the others up no longer than this.
            auditStore: try AuditStore(configuration: try settings.database(.status), timeout: .seconds(10)),
            workPhotos: try settings.media.map { WorkPhotos(media: $0, limits: settings.photoLimits) },
            usage: try UsageStore(configuration: try settings.database(.status)))
        if let media = try settings.media { list.append(IncomingSweep(media: media, logger: logger("status-ingest"))) }
        list.append(http(service, host: settings.host, port: settings.statusIngestPort, "status-ingest"))
        guard let broker = try settings.statusBroker else { return }
        let inbox = try StatusInbox(configuration: try settings.database(.status), origin: settings.origin) { tenant, delay in
            Metrics.Timer(label: "o311_crm_ack_delay_seconds", dimensions: [("tenant", tenant.rawValue)]).record(duration: delay)
        }
        list.append(
            StatusConsumer(
                broker: broker, directory: directory, inbox: inbox, audit: audit, logger: logger("status-ingest"),
                report: report("status-ingest")))
    }

    mutating func addRelay() throws {
        list.append(
            try OutboxRelay(
                database: try settings.database(.relay), configuration: try settings.relay, logger: logger("relay"), report: report("relay")
            ))
    }

    mutating func addWatch() throws {
        _ = try audit(.watch, of: "watch")
        list.append(AuditKeeper(store: try AuditStore(configuration: try settings.database(.watch)), logger: logger("watch")))
        list.append(
            Watch(
                partitions: try PartitionKeeper(configuration: try settings.database(.watch)),
                outbox: try OutboxStore(configuration: try settings.database(.watch)), logger: logger("watch"),
                report: report("watch")))
        list.append(UsageCounter(store: try UsageStore(configuration: try settings.database(.watch)), logger: logger("watch")))
        if settings.retentionIsAutomatic {
            list.append(
                RetentionKeeper(
                    store: try RetentionStore(configuration: try settings.database(.watch)), origin: settings.origin,
                    hour: settings.retentionHour, logger: logger("retention")))
        }
        try addAlerts()
        list.append(
            ReferenceClock(
                store: try ReferenceStore(configuration: try settings.database(.watch)), logger: logger("watch"), report: report("watch")))
        list.append(
            try ReferencePuller(
                store: try ReferenceStore(configuration: try settings.database(.watch)), allowed: try settings.allowedReferenceSources,
                authorities: settings.referenceAuthorities, origin: settings.origin, logger: logger("watch")))
        guard let password = settings.monitorPassword else { return }
        let broker = BrokerAdministration(
            client: try HTTPClient(name: "bus311-watch"), baseURL: try settings.managementURL,
            credentials: BasicAuthentication(user: settings.monitorUser, password: password))
        list.append(
            QueueWatch(
                monitor: BrokerMonitor(broker: broker), store: try QueueWatchStore(configuration: try settings.database(.watch)),
                logger: logger("watch"), report: report("watch")))
        list.append(
            CredentialWatch(
                provisioner: Provisioner(broker: broker),
                sightings: try CredentialSightings(configuration: try settings.database(.watch)), logger: logger("watch"),
                report: report("watch")))
    }

    /// Alerts have clients of their own: a slow receiver must not hold up the other watches.
    private mutating func addAlerts() throws {
        let interval = Duration.seconds(settings.alertInterval)
        let disks = try settings.alertDisks
        list.append(
            AlertWatch(
                store: try AlertStore(configuration: try settings.database(.watch)), broker: try settings.alertBroker,
                deadLetters: try settings.deadLetterLook,
                rules: try settings.alertRules, settings: try settings.alerts, interval: interval, disks: { DiskProbe.signs(of: disks) },
                heartbeat: try settings.alertHeartbeat, logger: logger("alerts"), report: report("watch")))
        list.append(
            AlertDispatch(
                outbox: try AlertOutbox(configuration: try settings.database(.watch)), webhook: try settings.alertWebhook,
                mail: try settings.alertMail, interval: min(interval, .seconds(5)), logger: logger("alerts"), report: report("watch")))
    }

    /// Nothing to clean where no photos are taken.
    mutating func addPhotos() throws {
        if try settings.media != nil { _ = try audit(.photos, of: "photos") }
        for lane in [PhotoCleaner.Lane.plain, .blurred] {
            guard let media = try settings.media else { return }
            list.append(
                PhotoCleaner(
                    lane: lane, queue: try PhotoQueue(configuration: try settings.database(.photos), origin: settings.origin), media: media,
                    maximumPixels: settings.maximumPixels, failPoint: settings.mediaFailPoint, logger: logger("photos"),
                    report: report("photos")))
        }
        guard let media = try settings.media else { return }
        list.append(
            try LinkCopier(
                queue: try PhotoQueue(configuration: try settings.database(.photos), origin: settings.origin), media: media,
                maximumBytes: settings.photoLimits.maximumBytes, allowed: try settings.allowedLinks,
                authorities: settings.linkAuthorities, logger: logger("photos"), report: report("photos")))
    }

    mutating func addMailer() throws {
        guard let server = try settings.mailServer else {
            throw ValidationError("mail.url is not set: the server that takes mails over. \(Settings.place(of: "mail.url"))")
        }
        _ = try audit(.mailer, of: "mailer")
        list.append(
            try NoticeMailer(
                outbox: try NoticeOutbox(configuration: try settings.database(.mailer)), server: server,
                composer: try settings.noticeComposer, secret: try settings.requiredLinkSecret, plan: settings.noticePlan,
                failPoint: settings.noticeFailPoint, logger: logger("mailer"), report: report("mailer")))
    }

    /// Runs until SIGTERM or SIGINT, then stops in order.
    func run() async throws {
        // Three C libraries write to sockets that may close.
        signal(SIGPIPE, SIG_IGN)
        Self.allowDescriptors()
        let metrics = self.metrics
        let health = http(
            HealthService(registry: registry, metrics: { metrics.exposition() }), host: "127.0.0.1", port: settings.healthPort, "health")
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: (list + [health]).map { .init(service: $0) }, gracefulShutdownSignals: [.sigterm, .sigint],
                logger: logger("bus311")))
        try await group.run()
    }
}

extension Services {
    /// A system's usual 1,024 open files are fewer than the uploads that may come at once; the account's own maximum is asked for.
    private static func allowDescriptors() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

private struct NamedService: ServiceLifecycle.Service {
    let service: any ServiceLifecycle.Service
    let actor: String

    func run() async throws { try await OutgoingCalls.$actor.withValue(actor) { try await service.run() } }
}

private struct DirectoryService: ServiceLifecycle.Service {
    let directory: TenantDirectory
    func run() async throws { await cancelWhenGracefulShutdown { await directory.run() } }
}

private struct KeyUseService: ServiceLifecycle.Service {
    let keyUses: KeyUseRecorder
    func run() async throws { await cancelWhenGracefulShutdown { await keyUses.run() } }
}

/// A command that runs services until it is told to stop.
protocol ServiceCommand: AsyncParsableCommand {
    var common: CommonOptions { get }
    func add(to services: inout Services) async throws
}

extension ServiceCommand {
    func run() async throws {
        var services = Services(try await common.settings())
        try await add(to: &services)
        try await services.run()
    }
}

struct Gateway: ServiceCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve GeoReport v2 to apps.", discussion: "Example: bus311 gateway --config /etc/bus311/gateway.json")
    @OptionGroup var common: CommonOptions

    func add(to services: inout Services) async throws { try await services.naming("gateway") { try await $0.addGateway() } }
}

struct Relay: ServiceCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publish the outbox to the tenants' queues.", discussion: "Example: bus311 relay --config /etc/bus311/relay.json")
    @OptionGroup var common: CommonOptions

    func add(to services: inout Services) async throws { try await services.naming("relay") { try $0.addRelay() } }
}

struct StatusIngest: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "status-ingest", abstract: "Take lifecycle updates from CRMs.",
        discussion: "Example: bus311 status-ingest --config /etc/bus311/status.json")
    @OptionGroup var common: CommonOptions

    func add(to services: inout Services) async throws { try await services.naming("status-ingest") { try await $0.addStatusIngest() } }
}

struct WatchCommand: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Make partitions ahead and measure what waits.",
        discussion: "Example: bus311 watch --config /etc/bus311/watch.json")
    @OptionGroup var common: CommonOptions

    func add(to services: inout Services) async throws { try await services.naming("watch") { try $0.addWatch() } }
}

struct PhotosCommand: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "photos", abstract: "Clean the photos that citizens sent, and publish them.",
        discussion: "Example: bus311 photos --config /etc/bus311/photos.json")
    @OptionGroup var common: CommonOptions

    func add(to services: inout Services) async throws { try await services.naming("photos") { try $0.addPhotos() } }
}

struct MailerCommand: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "mailer", abstract: "Send notices to citizens by e-mail.",
        discussion: "Example: bus311 mailer --config /etc/bus311/mailer.json")
    @OptionGroup var common: CommonOptions

    func add(to services: inout Services) async throws { try await services.naming("mailer") { try $0.addMailer() } }
}

struct All: ServiceCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run every service in one process: for a small city.", discussion: "Example: bus311 all --config bus311.json")
    @OptionGroup var common: CommonOptions

    func add(to services: inout Services) async throws {
        try await services.naming("gateway") { try await $0.addGateway() }
        try await services.naming("status-ingest") { try await $0.addStatusIngest() }
        try await services.naming("relay") { try $0.addRelay() }
        try await services.naming("watch") { try $0.addWatch() }
        try await services.naming("photos") { try $0.addPhotos() }
        // Mails may be the alerts' only.
        let settings = try await common.settings()
        if settings.isSet("mail.url"), settings.isSet("links.secret"), settings.isSet("database.mailer") {
            try await services.naming("mailer") { try $0.addMailer() }
        }
    }
}
