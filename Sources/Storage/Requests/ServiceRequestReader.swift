import Foundation
import Open311
import Postgres

/// Reads service requests for citizens: from PostgreSQL only, one tenant at a time, without personal data.
public final class ServiceRequestReader: Sendable {
    private struct Lookup: Sendable {
        let id: ServiceRequestID
        let tenant: TenantID
    }

    private let pool: PostgresPool
    private let lookups: GroupedWork<Lookup, Result<ServiceRequest?, StorageError>, PostgresConnection>
    private let lookupConnection: PostgresConnection

    /// - Parameters:
    ///   - configuration: of the role that sees one tenant at a time.
    ///   - connections: 1 to 16, and one more for look-ups of a single id.
    public init(configuration: PostgresConfiguration, connections: Int) throws {
        let pool = try PostgresPool(configuration: configuration, size: connections)
        self.pool = pool
        lookupConnection = try PostgresConnection(configuration: configuration.setting("plan_cache_mode", to: "force_generic_plan"))
        lookups = GroupedWork(maximumGroup: 256, maximumWaiting: 8_192, workers: [lookupConnection]) { Self.find($1, on: $0) }
    }

    /// The requests of this tenant with these ids, newest first; unknown ids are left out. A single id joins the look-ups of
    /// other callers in one query.
    public func find(_ ids: [ServiceRequestID], of tenant: TenantID) async throws(StorageError) -> [ServiceRequest] {
        if ids.count == 1, let id = ids.first {
            guard let outcome = await lookups.submit(Lookup(id: id, tenant: tenant)) else { throw StorageError(.overloaded) }
            return try outcome.get().map { [$0] } ?? []
        }
        let found = try await run { (session) throws(PostgresError) in try Self.read(Array(Set(ids)), of: tenant, session) }
        return found.sorted { ($0.requestedAt, $0.id) > ($1.requestedAt, $1.id) }
    }

    /// As by their ids, for requests that may be named otherwise.
    public func find(_ addresses: [RequestAddress], of tenant: TenantID) async throws(StorageError) -> [ServiceRequest] {
        let given: [String?] = addresses.compactMap { if case .given(let id) = $0 { id.text } else { nil } }
        let ids = addresses.compactMap(\.number)
        guard !given.isEmpty else { return try await find(ids, of: tenant) }
        let named = try await named(given, of: tenant)
        return ids.isEmpty && named.isEmpty ? [] : try await find(ids + named, of: tenant)
    }

    /// Our number for a request that may be named by the id that its CRM gave; nil when no request of the tenant has that. Of a number
    /// of ours nothing is looked up.
    public func number(of address: RequestAddress, tenant: TenantID) async throws(StorageError) -> ServiceRequestID? {
        guard case .given(let id) = address else { return address.number }
        return try await named([id.text], of: tenant).first
    }

    private func named(_ given: [String?], of tenant: TenantID) async throws(StorageError) -> [ServiceRequestID] {
        try await run { (session) throws(PostgresError) in
            let answers = try session.pipeline([
                RequestSQL.tenant(tenant), (RequestSQL.named, [.int32(tenant.rawValue), .texts(given)]),
            ])
            return try answers[1].map { (row) throws(PostgresError) in ServiceRequestID(stored: try row.int64(0)) }
        }
    }

    /// One page of the tenant's requests that match, in the filter's order.
    public func search(_ filter: ServiceRequestFilter, of tenant: TenantID) async throws(StorageError) -> ServiceRequestPage {
        if let addresses = filter.addresses {
            let found = Array(try await find(addresses, of: tenant).prefix(filter.limit))
            return ServiceRequestPage(requests: found, hasMore: false, count: found.count)
        }
        guard !filter.statuses.isEmpty else { return ServiceRequestPage(requests: [], hasMore: false, count: 0) }
        let search = SearchStatement(filter, tenant)
        return try await run { (session) throws(PostgresError) in
            let answers = try session.pipeline(search.steps)
            var found = try answers[1].map(ServiceRequestRow.request)
            let hasMore = found.count > filter.limit
            if hasMore { found.removeLast() }
            try Self.addParents(to: &found, of: tenant, session)
            let counted = answers.count > 2 ? try answers[2].first.map { (row) throws(PostgresError) in Int(try row.int64(0)) } : nil
            return ServiceRequestPage(
                requests: found, hasMore: hasMore, count: search.count(counted: counted, found: found.count, hasMore: hasMore))
        }
    }

    /// The request behind a token: its id once the CRM knows it, nil before. Nil in all when no request of the tenant has it.
    public func request(token: String, of tenant: TenantID) async throws(StorageError) -> TokenState? {
        try await run { (session) throws(PostgresError) in
            let answers = try session.pipeline([
                RequestSQL.tenant(tenant), (RequestSQL.token, [.int32(tenant.rawValue), .text(token)]),
            ])
            guard let row = answers[1].first else { return nil }
            let number = try row.int64(0)
            return try row.bool(1) ? .resolved(row.optionalText(2) ?? String(number)) : .pending
        }
    }

    /// What happened to these requests, oldest first, by request; those to which nothing happened are left out.
    public func history(
        of requests: [ServiceRequestID], of tenant: TenantID
    ) async throws(StorageError) -> [ServiceRequestID: [HistoryEntry]] {
        try await run { (session) throws(PostgresError) in
            let answers = try session.pipeline([RequestSQL.tenant(tenant), (RequestSQL.history, Self.own(requests, tenant))])
            var history: [ServiceRequestID: [HistoryEntry]] = [:]
            for index in 0..<answers[1].count {
                let row = answers[1][index]
                let status = row.optionalText(2).flatMap { try? StatusUpdate.RequestedStatus(stored: $0) }
                history[ServiceRequestID(stored: try row.int64(0)), default: []].append(
                    HistoryEntry(
                        at: Timestamp(microseconds: try row.timestamp(1)), status: status?.resolved(from: DetailedStatus(.inProcess)),
                        notes: row.optionalText(3)))
            }
            return history
        }
    }

    /// Who reported these requests; anonymous ones are left out.
    public func reporters(
        of requests: [ServiceRequestID], of tenant: TenantID
    ) async throws(StorageError) -> [ServiceRequestID: Reporter] {
        try await run { (session) throws(PostgresError) in
            let answers = try session.pipeline([RequestSQL.tenant(tenant), (RequestSQL.reporters, [.int64s(requests.map(\.rawValue))])])
            var reporters: [ServiceRequestID: Reporter] = [:]
            for index in 0..<answers[1].count {
                let row = answers[1][index]
                reporters[ServiceRequestID(stored: try row.int64(0))] = ServiceRequestRow.reporter(row, from: 1)
            }
            return reporters
        }
    }

    private func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await pool.run(body) }
    }

    private static func own(_ ids: [ServiceRequestID], _ tenant: TenantID) -> [Parameter] {
        [.int32(tenant.rawValue), .int64s(ids.map(\.rawValue))]
    }

    public func close() async {
        await pool.close()
        await lookupConnection.close()
    }

    private static func read(_ ids: [ServiceRequestID], of tenant: TenantID, _ session: Session) throws(PostgresError) -> [ServiceRequest] {
        let answers = try session.pipeline([RequestSQL.tenant(tenant), (RequestSQL.find, own(ids, tenant))])
        var found = try answers[1].map(ServiceRequestRow.request)
        try addParents(to: &found, of: tenant, session)
        return found
    }

    /// Few are duplicates: only those cost a second query.
    private static func addParents(to requests: inout [ServiceRequest], of tenant: TenantID, _ session: Session) throws(PostgresError) {
        let wanted = Set(requests.compactMap(\.mergedInto))
        guard !wanted.isEmpty else { return }
        let rows = try session.pipeline([RequestSQL.tenant(tenant), (RequestSQL.parents, own(Array(wanted), tenant))])[1]
        var parents: [ServiceRequestID: ParentRequest] = [:]
        for index in 0..<rows.count {
            let row = rows[index]
            let id = ServiceRequestID(stored: try row.int64(0))
            guard let status = try? DetailedStatus(validating: try row.text(2)) else {
                throw PostgresError(.decoding, detail: "a stored status breaks its rule")
            }
            parents[id] = ParentRequest(
                publicID: row.optionalText(1) ?? id.description, status: status, statusNotes: row.optionalText(3),
                updatedAt: Timestamp(microseconds: try row.timestamp(4)))
        }
        for index in requests.indices { requests[index].parent = requests[index].mergedInto.flatMap { parents[$0] } }
    }

    private static func find(_ lookups: [Lookup], on connection: isolated PostgresConnection) -> [Result<ServiceRequest?, StorageError>] {
        let byTenant = Dictionary(grouping: lookups, by: \.tenant).mapValues { Array(Set($0.map(\.id))) }
        do {
            let found = try connection.run { (session) throws(PostgresError) in
                var found: [TenantID: [ServiceRequestID: ServiceRequest]] = [:]
                for (tenant, ids) in byTenant {
                    for request in try read(ids, of: tenant, session) { found[tenant, default: [:]][request.id] = request }
                }
                return found
            }
            return lookups.map { .success(found[$0.tenant]?[$0.id]) }
        } catch {
            return lookups.map { _ in .failure(StorageError(error)) }
        }
    }
}

/// One page of a search.
public struct ServiceRequestPage: Sendable {
    public let requests: [ServiceRequest]
    public let hasMore: Bool
    /// How many match on all pages; nil when that was not asked for, or when there are too many to count.
    public let count: Int?
}

/// Whether a token stands for an id yet.
public enum TokenState: Sendable, Equatable {
    case pending
    /// The id that citizens use.
    case resolved(String)
}

/// One thing that happened to a service request.
public struct HistoryEntry: Sendable, Equatable {
    public let at: Timestamp
    /// Nil when the status did not change.
    public let status: DetailedStatus?
    public let notes: String?
}
