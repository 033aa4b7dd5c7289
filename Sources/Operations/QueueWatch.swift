import Bus
import Logging
import Metrics
import Open311
import ServiceLifecycle
import Storage

/// Looks at the tenants' queues through the broker's management interface: who consumes them, whether messages vanish from them,
/// whether they are still as provisioning made them.
public struct QueueWatch: ServiceLifecycle.Service {
    private let monitor: BrokerMonitor
    private let store: QueueWatchStore
    private let logger: Logger
    private let report: @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void

    private static let interval = Duration.seconds(5)
    private static let driftInterval = Duration.seconds(20)

    public init(
        monitor: BrokerMonitor, store: QueueWatchStore, logger: Logger,
        report: @escaping @Sendable (_ dependency: String, _ isOK: Bool, _ detail: String) -> Void
    ) {
        self.monitor = monitor
        self.store = store
        self.logger = logger
        self.report = report
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var detectors: [TenantID: PurgeDetector] = [:]
            var ages: [TenantID: QueueAge] = [:]
            var drifting: Set<TenantID> = []
            var nextDrift = ContinuousClock.now
            var nextCleaning = ContinuousClock.now
            while !Task.isCancelled {
                do {
                    let tenants = try await store.tenants()
                    if nextCleaning <= .now {
                        try await store.forgetConsumers()
                        nextCleaning = .now.advanced(by: .seconds(3_600))
                    }
                    try await look(at: tenants, &detectors, &ages)
                    if nextDrift <= .now {
                        drifting = try await lookForDrift(tenants, seenBefore: drifting)
                        nextDrift = .now.advanced(by: Self.driftInterval)
                    }
                    report("management", true, "")
                } catch let error as BrokerAdministrationError {
                    report("management", false, "\(error)")
                } catch {
                    // The database's own state is told by the watch beside this one.
                    logger.warning("queues not watched", metadata: ["error": "\(error)"])
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
        await store.close()
    }

    // MARK: Queues

    private func look(
        at tenants: [WatchedTenant], _ detectors: inout [TenantID: PurgeDetector], _ ages: inout [TenantID: QueueAge]
    ) async throws {
        var present: Set<SeenConsumer> = []
        for (host, own) in Dictionary(grouping: tenants, by: \.virtualHost) {
            let view = try await monitor.view(of: host)
            let now = ContinuousClock.now
            for tenant in own {
                let names = Topology(tenant: tenant.key)
                let consumers = view.consumers[names.requestQueue] ?? []
                present.formUnion(consumers.map { SeenConsumer(tenant: tenant.id, name: $0, consumes: true) })
                present.formUnion(
                    view.connections(of: names).subtracting(consumers).map { SeenConsumer(tenant: tenant.id, name: $0, consumes: false) })
                let labels = [("tenant", tenant.key.rawValue)]
                Gauge(label: "o311_queue_consumers", dimensions: labels).record(consumers.count)
                let sight = view.sight(of: names, at: now)
                guard sight != .uncounted else { continue }
                let sample = sight.sample
                Gauge(label: "o311_queue_messages", dimensions: labels).record(sample?.depth ?? 0)
                let unacknowledged = view.unacknowledged(of: names)
                Gauge(label: "o311_queue_unacked", dimensions: labels).record(unacknowledged)
                Gauge(label: "o311_queue_ready", dimensions: labels).record(max(0, (sample?.depth ?? 0) - unacknowledged))
                Gauge(label: "o311_dead_letters", dimensions: labels).record(view.dead(of: names))
                let age = ages[tenant.id, default: QueueAge()].observe(depth: sample?.depth ?? 0, taken: sample?.taken ?? 0, at: now)
                Gauge(label: "o311_queue_oldest_age_seconds", dimensions: labels).record(age / .seconds(1))
                var detector = detectors[tenant.id] ?? PurgeDetector()
                let before = detector.depth
                let loss = detector.observe(sample)
                detectors[tenant.id] = detector
                if let loss {
                    try await notice(.purgeSuspected, tenant, names.requestQueue, depth: loss.depth, missing: loss.missing)
                } else if sample == nil, before > 0 {
                    try await notice(.queueDeleted, tenant, names.requestQueue, depth: before, missing: before)
                }
            }
        }
        let known = try await store.consumers()
        try await store.record(appeared: present.subtracting(known), vanished: known.subtracting(present))
    }

    private func notice(
        _ kind: QueueIncident.Kind, _ tenant: WatchedTenant, _ queue: String, depth: Int, missing: Int
    ) async throws {
        let incident = try await store.notice(kind, of: tenant.id, queue: queue, depth: depth, missing: missing, at: .now)
        guard incident.isNew else { return }
        Counter(label: "o311_queue_incidents_total", dimensions: [("tenant", tenant.key.rawValue), ("kind", kind.rawValue)]).increment()
        logger.error(
            "messages left a queue and nobody took them",
            metadata: [
                "code": kind == .purgeSuspected ? "PURGE_SUSPECTED" : "QUEUE_DELETED", "tenant": "\(tenant.key)", "queue": "\(queue)",
                "messages": "\(missing)", "incident": "\(incident.number)",
                "repair": "bus311 replay --tenant \(tenant.key) --from \(incident.from.iso8601) --to \(incident.to.iso8601)",
            ])
    }

    // MARK: Drift

    /// What is seen twice in a row is written down: a tenant that is being made, changed or removed is not drift.
    ///
    /// - Returns: who differs now.
    private func lookForDrift(_ tenants: [WatchedTenant], seenBefore: Set<TenantID>) async throws -> Set<TenantID> {
        var found: [TenantID: String] = [:]
        var differing: Set<TenantID> = []
        for (host, own) in Dictionary(grouping: tenants, by: \.virtualHost) {
            let known = Dictionary(own.map { (BusTenant(key: $0.key, virtualHost: host), $0) }, uniquingKeysWith: { first, _ in first })
            let drift = try await monitor.drift(of: Array(known.keys), in: host)
            for (tenant, watched) in known {
                let differences = drift[tenant] ?? []
                Gauge(label: "o311_config_drift", dimensions: [("tenant", tenant.key.rawValue)]).record(differences.count)
                guard !differences.isEmpty else { continue }
                differing.insert(watched.id)
                guard seenBefore.contains(watched.id) else { continue }
                found[watched.id] = String(differences.joined(separator: "; ").prefix(1_000))
                logger.warning(
                    "a tenant's objects are not as they should be",
                    metadata: [
                        "code": "CONFIG_DRIFT", "tenant": "\(tenant.key)", "differences": "\(found[watched.id] ?? "")",
                        "repair": "bus311 tenant apply \(tenant.key)",
                    ])
            }
        }
        // One that differs for the first time is neither drifting nor well.
        try await store.record(drift: found, of: tenants.map(\.id).filter { found[$0] != nil || !differing.contains($0) })
        return differing
    }
}
