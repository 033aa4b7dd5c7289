import Open311
import Postgres

/// A name that a CRM gave to a request: the id in place of ours, or a reference of its own.
struct RequestName: Hashable {
    let kind: String
    let text: String

    init(reference: String) { (kind, text) = ("reference", reference) }

    /// Nil for our number, which is no name.
    init?(_ address: RequestAddress) {
        switch address {
        case .number: return nil
        case .given(let id): (kind, text) = ("given", id.text)
        case .reference(let reference): (kind, text) = ("reference", reference)
        }
    }

    private init(_ row: Row) throws(PostgresError) {
        kind = try row.text(0)
        text = try row.text(1)
    }

    /// Asks for what these names of a tenant's mean.
    static func step(_ names: some Collection<RequestName>, _ tenant: TenantID) -> (statement: Statement, parameters: [Parameter]) {
        (StatusSQL.names, [.int32(tenant.rawValue), .texts(names.map(\.kind)), .texts(names.map(\.text))])
    }

    /// Reads the answer; a name without a request is not in it.
    static func requests(_ rows: Rows) throws(PostgresError) -> [RequestName: ServiceRequestID] {
        var known: [RequestName: ServiceRequestID] = [:]
        for index in 0..<rows.count { known[try RequestName(rows[index])] = ServiceRequestID(stored: try rows[index].int64(2)) }
        return known
    }

    /// What each address means; nil where it is none of the tenant's names. In a transaction of the caller's, or without one.
    static func requests(
        at addresses: [RequestAddress?], of tenant: TenantID, _ session: Session
    ) throws(PostgresError) -> [ServiceRequestID?] {
        let names = Set(addresses.compactMap { $0.flatMap(RequestName.init) })
        var known: [RequestName: ServiceRequestID] = [:]
        if !names.isEmpty { known = try requests(try session.pipeline([RequestSQL.tenant(tenant), step(names, tenant)])[1]) }
        return addresses.map { address in address.flatMap { $0.number ?? RequestName($0).flatMap { known[$0] } } }
    }
}
