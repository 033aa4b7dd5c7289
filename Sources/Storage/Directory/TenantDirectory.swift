import Logging
import NIOConcurrencyHelpers
import Open311
import Postgres

/// Keeps the ``DirectorySnapshot`` fresh: read again when PostgreSQL says that something changed, every few seconds as a net,
/// and when a caller met a name it does not know.
public final class TenantDirectory: Sendable {
    private let reading: PostgresConnection
    private let listening: PostgresConnection
    private let logger: Logger
    private let report: @Sendable (Bool, String) -> Void
    private let snapshot = NIOLockedValueBox(DirectorySnapshot.empty)
    private let lastMiss = NIOLockedValueBox<ContinuousClock.Instant?>(nil)

    private static let interval = Duration.seconds(5)
    /// A flood of unknown keys costs the database five reads a second at most.
    private static let missPause = Duration.milliseconds(200)

    /// - Parameters:
    ///   - configuration: of a role that may read tenants, catalogues and keys.
    ///   - report: told after every reading whether the database answered, and why not.
    public init(configuration: PostgresConfiguration, logger: Logger, report: @escaping @Sendable (Bool, String) -> Void = { _, _ in })
        throws
    {
        reading = try PostgresConnection(configuration: configuration)
        listening = try PostgresConnection(configuration: configuration)
        self.logger = logger
        self.report = report
    }

    /// The newest snapshot, without waiting.
    public var current: DirectorySnapshot { snapshot.withLockedValue { $0 } }

    /// Reads everything now.
    public func load() async throws(StorageError) {
        do {
            try await reading.run { [snapshot] (session) throws(PostgresError) in
                // Loads run one after the other on this connection, so nothing is lost between reading and keeping.
                let loaded = try Self.read(session, after: snapshot.withLockedValue { $0 })
                snapshot.withLockedValue { $0 = loaded }
            }
        } catch {
            let error = StorageError(error)
            report(false, error.description)
            throw error
        }
        report(true, "")
    }

    /// Reads again because a name was not found, unless that was just done; an unreachable database leaves what is known.
    public func refreshAfterMiss() async -> DirectorySnapshot {
        let mayRead = lastMiss.withLockedValue { last in
            if let last, last.duration(to: .now) < Self.missPause { return false }
            last = .now
            return true
        }
        if mayRead { try? await load() }
        return current
    }

    /// Keeps the snapshot fresh until the task is cancelled; then closes its connections.
    public func run() async {
        // One stream with one reader for life: a cancelled iterator would end it.
        let (occasions, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    continuation.yield()
                    try? await Task.sleep(for: Self.interval)
                }
            }
            let isListening = NIOLockedValueBox(false)
            for await _ in occasions {
                if !isListening.withLockedValue({ $0 }) { await listen(isListening, continuation) }
                do { try await load() } catch { logger.debug("directory not refreshed", metadata: ["error": "\(error)"]) }
            }
            group.cancelAll()
        }
        await reading.close()
        await listening.close()
    }

    private func listen(_ isListening: NIOLockedValueBox<Bool>, _ continuation: AsyncStream<Void>.Continuation) async {
        do {
            try await listening.listen(to: ["bus311_directory"]) { notification in
                if notification == nil { isListening.withLockedValue { $0 = false } }
                continuation.yield()
            }
            isListening.withLockedValue { $0 = true }
        } catch {
            logger.debug("directory changes cannot be listened to", metadata: ["error": "\(error)"])
        }
    }

    private static func read(_ session: Session, after previous: DirectorySnapshot) throws(PostgresError) -> DirectorySnapshot {
        let answers = try session.pipeline([
            (DirectorySQL.tenants, []), (DirectorySQL.jurisdictions, []), (DirectorySQL.services, []), (DirectorySQL.accessKeys, []),
        ])
        var jurisdictions: [TenantID: [JurisdictionID]] = [:]
        for index in 0..<answers[1].count {
            guard let id = try? JurisdictionID(validating: try answers[1][index].text(1)) else { continue }
            jurisdictions[TenantID(try answers[1][index].int32(0)), default: []].append(id)
        }
        var tenants: [Tenant] = []
        for index in 0..<answers[0].count {
            if let tenant = try TenantRow.tenant(answers[0][index], jurisdictions: jurisdictions) { tenants.append(tenant) }
        }
        return DirectorySnapshot(
            tenants: tenants, catalogues: try catalogues(answers[2], of: tenants), accessKeys: try answers[3].map(TenantRow.accessKey),
            previous: previous)
    }

    private static func catalogues(_ rows: Rows, of tenants: [Tenant]) throws(PostgresError) -> [TenantID: Catalogue] {
        var services: [TenantID: [Service]] = [:]
        var changes: [TenantID: Timestamp] = [:]
        let deferring = Set(tenants.filter(\.policies.defersIdentifiers).map(\.id))
        for index in 0..<rows.count {
            let row = rows[index]
            let tenant = TenantID(try row.int32(0))
            let changedAt = Timestamp(microseconds: try row.timestamp(8))
            changes[tenant] = max(changes[tenant] ?? changedAt, changedAt)
            guard try row.bool(9), let code = try? ServiceCode(validating: try row.text(1)) else { continue }
            var service = try TenantRow.service(row, code, defersIdentifiers: deferring.contains(tenant))
            service.catalogueVersion = row.isNull(10) ? nil : try row.int32(10)
            services[tenant, default: []].append(service)
        }
        var catalogues: [TenantID: Catalogue] = [:]
        for (tenant, changedAt) in changes { catalogues[tenant] = Catalogue(services: services[tenant] ?? [], changedAt: changedAt) }
        return catalogues
    }
}
