import Open311
import Postgres

/// What became of a lifecycle update.
public struct AppliedUpdate: Sendable, Equatable {
    public enum Outcome: String, Sendable {
        /// The request shows it now.
        case applied
        /// The same update had come before; nothing changed.
        case repeated
        /// A newer one had been applied: it takes its place in the history, and the request shows of it what no newer one says
        /// otherwise.
        case superseded
    }

    public let outcome: Outcome
    public let request: ServiceRequestID
    /// The request's status now.
    public let status: DetailedStatus
    public let updatedAt: Timestamp
    /// The request's version now: another one after each change.
    public let version: String
    /// Of the first time that it came; nil for one of before receipts were kept.
    public let receipt: EventID?
    /// Of the trace that began with the request's POST, 16 bytes; nil where none was kept.
    public let traceID: [UInt8]?
    /// The CRM's first word on the request: how long after its POST; nil for a later one.
    public let firstAfter: Duration?
}

/// Why a lifecycle update was refused; nothing of it is kept.
public enum StatusUpdateRefusal: Error, Sendable {
    /// No such request of this tenant (or of another one: the two look the same).
    case unknownRequest
    /// The person behind it was forgotten: nothing more is kept of it.
    case erasedRequest
    /// An answer to an erasure that never was.
    case unknownErasure
    /// A legal hold keeps it from being erased.
    case heldRequest
    /// The update's id came before with another content.
    case conflictingUpdate
    /// The tenant's mapping does not say what it means, and it is no repetition.
    case unmapped(StatusUpdateFault)
    case illegalTransition(IllegalTransition)
    /// The sender decided on a version of the request that is no longer the newest.
    case staleVersion(String)
    /// What it names is not there, or another's.
    case invalidName(StatusUpdateFault)
    case storage(StorageError)

    /// What the CRM is told; nil when it is not the CRM's fault.
    public var fault: StatusUpdateFault? {
        switch self {
        case .unknownRequest: .unknownRequest
        case .erasedRequest: .erasedRequest
        case .unknownErasure: .unknownErasure
        case .heldRequest: .heldRequest
        case .conflictingUpdate: .conflictingUpdate
        case .illegalTransition(let illegal): .illegalTransition(illegal)
        case .staleVersion(let version): .staleVersion(version)
        case .invalidName(let fault), .unmapped(let fault): fault
        case .storage: nil
        }
    }
}

/// An update on its way to its request.
public struct AddressedUpdate: Sendable {
    public let update: StatusUpdate
    public let address: RequestAddress
    /// The versions that the sender has seen, when it wants its update refused for any other.
    public let expectedVersions: [String]?

    public init(_ update: StatusUpdate, to address: RequestAddress, expectedVersions: [String]? = nil) {
        self.update = update
        self.address = address
        self.expectedVersions = expectedVersions
    }
}

/// Writes the lifecycle updates that come by REST: those that arrive together share a transaction, each with its own outcome.
public final class StatusUpdateStore: Sendable {
    typealias Outcome = Result<AppliedUpdate, StatusUpdateRefusal>

    private struct Item: Sendable {
        let update: AddressedUpdate
        let tenant: TenantID
    }

    let pool: PostgresPool
    private let writers: [PostgresConnection]
    private let plansLast: Duration
    private let work: GroupedWork<Item, Outcome, PostgresConnection>

    /// Each month's tables begin empty: what is planned then is planned anew so soon (see ``Session/renewPlans(after:)``).
    public static let plansLast = Duration.seconds(2)

    /// - Parameter configuration: of the role that may change one tenant's requests at a time.
    public init(
        configuration: PostgresConfiguration, connections: Int = 4, plansLast: Duration = StatusUpdateStore.plansLast
    ) throws {
        pool = try PostgresPool(configuration: configuration, size: connections)
        let planned = configuration.setting("plan_cache_mode", to: "force_generic_plan")
        let writers = [try PostgresConnection(configuration: planned), try PostgresConnection(configuration: planned)]
        self.writers = writers
        self.plansLast = plansLast
        work = GroupedWork(maximumGroup: 256, maximumWaiting: 4_096, workers: writers) { Self.write($1, on: $0, plansLast) }
    }

    public func apply(_ update: StatusUpdate, to request: ServiceRequestID, of tenant: TenantID) async throws(StatusUpdateRefusal)
        -> AppliedUpdate
    {
        try await apply(AddressedUpdate(update, to: .number(request)), of: tenant)
    }

    /// Applies an update, and returns after the commit.
    public func apply(_ update: AddressedUpdate, of tenant: TenantID) async throws(StatusUpdateRefusal) -> AppliedUpdate {
        guard let outcome = await work.submit(Item(update: update, tenant: tenant)) else { throw .storage(StorageError(.overloaded)) }
        return try outcome.get()
    }

    /// Applies many updates of one tenant in one transaction, each with its own outcome, in their order.
    ///
    /// - Parameter updates: at most ``StatusBatchForm/maximumCount``.
    /// - Throws: when the database is away: nothing was written then.
    public func apply(
        _ updates: [AddressedUpdate], of tenant: TenantID
    ) async throws(StorageError) -> [Result<AppliedUpdate, StatusUpdateRefusal>] {
        let items = updates.map { Item(update: $0, tenant: tenant) }
        do {
            return try await pool.run { [plansLast] (session) throws(PostgresError) in
                try session.renewPlans(after: plansLast)
                return try Self.transaction(items, session)
            }
        } catch {
            guard Self.isOneAtFault(error) else { throw StorageError(error) }
        }
        var outcomes: [Outcome] = []
        for item in items {
            do {
                outcomes += try await pool.run { (session) throws(PostgresError) in try Self.transaction([item], session) }
            } catch {
                outcomes.append(.failure(.storage(StorageError(error))))
            }
        }
        return outcomes
    }

    public func close() async {
        await pool.close()
        for writer in writers { await writer.close() }
    }

    private static func write(_ items: [Item], on connection: isolated PostgresConnection, _ plansLast: Duration) -> [Outcome] {
        do {
            return try connection.run { (session) throws(PostgresError) in
                try session.renewPlans(after: plansLast)
                return try transaction(items, session)
            }
        } catch {
            guard isOneAtFault(error) else { return items.map { _ in .failure(.storage(StorageError(error))) } }
        }
        var outcomes: [Outcome] = []
        for item in items {
            do {
                outcomes += try connection.run { (session) throws(PostgresError) in try transaction([item], session) }
            } catch {
                outcomes.append(.failure(.storage(StorageError(error))))
            }
        }
        return outcomes
    }

    /// Whether one of a group may be the reason: refused by the database, or overtaken by another process (SQLSTATE class 40). Each
    /// alone shows which.
    private static func isOneAtFault(_ error: PostgresError) -> Bool { !error.isRetriable || error.sqlState?.hasPrefix("40") == true }

    /// Tenants in the order of their numbers, requests in the order of theirs: two transactions wait for each
    /// other over duplicates only, which a parent's change takes last (`bus311_tell_duplicates`); one of them is then judged update by update.
    private static func transaction(_ items: [Item], _ session: Session) throws(PostgresError) -> [Outcome] {
        try session.transaction { (session) throws(PostgresError) in
            var outcomes = [Outcome](repeating: .failure(.unknownRequest), count: items.count)
            let byTenant = Dictionary(grouping: items.indices) { items[$0].tenant }
            for (tenant, places) in byTenant.sorted(by: { $0.key < $1.key }) {
                var judge = LifecycleJudge(tenant: tenant, door: .rest)
                for (place, outcome) in zip(places, try judge.apply(places.map { items[$0].update }, session)) {
                    outcomes[place] = outcome
                }
            }
            return outcomes
        }
    }
}
