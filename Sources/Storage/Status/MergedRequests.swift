import Open311
import Postgres

/// What requests were merged into, as it stands in the database: to tell whether a merging would lead in a circle.
struct MergedRequests {
    private var parents: [ServiceRequestID: ServiceRequestID] = [:]

    /// - Parameters:
    ///   - unlocked: are locked first, so that nobody merges them meanwhile. Two that wait for each other are told apart by PostgreSQL,
    ///     and judged again one by one.
    ///   - requests: from where to look upwards.
    mutating func read(
        _ unlocked: Set<ServiceRequestID>, and requests: Set<ServiceRequestID>, of tenant: TenantID, _ session: Session
    ) throws(PostgresError) {
        guard !requests.isEmpty else { return }
        var steps: [(statement: Statement, parameters: [Parameter])] = []
        if !unlocked.isEmpty { steps.append((StatusSQL.lock, [.int32(tenant.rawValue), .int64s(unlocked.map(\.rawValue))])) }
        steps.append((StatusSQL.parents, [.int32(tenant.rawValue), .int64s(requests.map(\.rawValue))]))
        guard let rows = try session.pipeline(steps).last else { return }
        for index in 0..<rows.count {
            parents[ServiceRequestID(stored: try rows[index].int64(0))] = ServiceRequestID(stored: try rows[index].int64(1))
        }
    }

    /// - Parameter now: what a request under judgement is merged into at this moment; nil for one that is not.
    func lead(
        from parent: ServiceRequestID, to request: ServiceRequestID, now: (ServiceRequestID) -> ServiceRequestID??
    ) -> Bool {
        var (next, seen) = (Optional(parent), Set<ServiceRequestID>())
        while let here = next, seen.insert(here).inserted {
            if here == request { return true }
            next = now(here) ?? parents[here]
        }
        return false
    }
}
