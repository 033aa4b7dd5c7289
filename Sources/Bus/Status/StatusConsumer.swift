import AMQP
import Logging
import Open311
import ServiceLifecycle
import Storage

/// Takes what CRMs publish to their status exchanges, for every tenant: one connection for each virtual host. Runs as often as
/// one likes: the broker shares a queue between its consumers.
public struct StatusConsumer: ServiceLifecycle.Service {
    private let broker: AMQPConfiguration
    private let directory: TenantDirectory
    private let inbox: StatusInbox
    private let audit: AuditRecorder?
    private let logger: Logger
    private let report: @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void

    /// How often it looks for new tenants.
    private static let interval = Duration.seconds(1)

    /// - Parameters:
    ///   - broker: the status consumer's user; each virtual host replaces the one named here.
    ///   - directory: kept fresh by its own service.
    ///   - audit: told of messages that nobody can be answered for; the others are written down with their verdict.
    ///   - report: told of each change of the broker's and the database's state.
    public init(
        broker: AMQPConfiguration, directory: TenantDirectory, inbox: StatusInbox, audit: AuditRecorder? = nil, logger: Logger,
        report: @escaping @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void
    ) {
        self.broker = broker
        self.directory = directory
        self.inbox = inbox
        self.audit = audit
        self.logger = logger
        self.report = report
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                var hosts: Set<String> = []
                while !Task.isCancelled {
                    for host in Set(directory.current.tenants.map(\.virtualHost)).subtracting(hosts) {
                        hosts.insert(host)
                        let lane = StatusLane(
                            virtualHost: host, broker: broker, directory: directory, inbox: inbox, audit: audit, logger: logger,
                            report: report)
                        group.addTask { await lane.run() }
                    }
                    try? await Task.sleep(for: Self.interval)
                }
            }
        }
        await inbox.close()
    }
}
