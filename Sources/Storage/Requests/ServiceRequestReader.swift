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
        let found = try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in try Self.read(Array(Set(ids)), of: tenant, session) }
        }
        return found.sorted { ($0.requestedAt, $0.id) > ($1.requestedAt, $1.id) }
    }

    /// The tenant's requests that match, newest first.
    public func search(_ filter: ServiceRequestFilter, of tenant: TenantID) async throws(StorageError) -> [ServiceRequest] {
        if let ids = filter.ids { return Array(try await find(ids, of: tenant).prefix(filter.limit)) }
        guard !filter.statuses.isEmpty else { return [] }
        let isOpen: Parameter = filter.statuses.count == 1 ? .bool(filter.statuses.contains(.open)) : .null
        let codes: Parameter = filter.serviceCodes.map { .texts($0.map(\.rawValue)) } ?? .null
        let parameters: [Parameter] = [
            .int32(tenant.rawValue), .timestamp(filter.requestedFrom.microseconds), .timestamp(filter.requestedTo.microseconds), codes,
            isOpen, .int32(Int32(filter.limit)),
        ]
        return try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                let answers = try session.pipeline([
                    (RequestSQL.tenant, [.text(String(tenant.rawValue))]), (RequestSQL.search, parameters),
                ])
                return try answers[1].map(ServiceRequestRow.request)
            }
        }
    }

    public func close() async {
        await pool.close()
        await lookupConnection.close()
    }

    private static func read(_ ids: [ServiceRequestID], of tenant: TenantID, _ session: Session) throws(PostgresError) -> [ServiceRequest] {
        let answers = try session.pipeline([
            (RequestSQL.tenant, [.text(String(tenant.rawValue))]),
            (RequestSQL.find, [.int32(tenant.rawValue), .int64s(ids.map(\.rawValue))]),
        ])
        return try answers[1].map(ServiceRequestRow.request)
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
