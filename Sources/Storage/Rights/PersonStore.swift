import Foundation
import Open311
import Postgres

enum PersonSQL {
    static let all = [subject, requests, export, find, email, refuse]

    static let subject = Statement("person_subject", "select * from bus311_link_subject($1::bigint)")
    static let requests = Statement(
        "person_requests", "select request_id from bus311_person_requests($1::bigint, $2::integer) order by 1 desc")
    static let export = Statement("person_export", "select * from bus311_person_export($1::bigint[], $2::text)")
    static let find = Statement("person_find", "select request_id from bus311_find_person($1::text, $2::text, $3::integer)")
    static let email = Statement("person_email", "select bus311_reporter_email($1::bigint)")
    static let refuse = Statement("person_refuse_notices", "select bus311_refuse_notices($1::bytea)")
}

/// What the page behind a signed link shows of its request.
public struct LinkSubject: Sendable {
    /// Nil while the citizen has a token only.
    public let number: String?
    public let serviceName: String
    public let requestedAt: Timestamp
    public let status: DetailedStatus
    public let statusNotes: String?
    public let language: Language?
    public let isHidden: Bool
    public let erasedAt: Timestamp?
    /// Nil while the CRM has not answered.
    public let crmOutcome: CRMErasureOutcome?
    public let crmAnsweredAt: Timestamp?
    public let hasReporter: Bool
}

/// What is held on a person, for whoever may ask: the holder of a signed link, or an operator, of whom the database writes down that he
/// looked.
public final class PersonStore: Sendable {
    private let pool: PostgresPool

    /// More requests of one person are not gone through at once.
    public static let maximumRequests: Int32 = 1_000

    /// - Parameter configuration: of the gateway's role, or of the administration's.
    public init(configuration: PostgresConfiguration, connections: Int = 1) throws {
        pool = try PostgresPool(configuration: configuration, size: connections, maximumWaiting: 32)
    }

    public func close() async { await pool.close() }

    /// Runs the statement for one tenant, in the same round trip as the setting that names it.
    private func ask<Value: Sendable>(
        _ tenant: TenantID, _ statement: Statement, _ parameters: [Parameter], _ read: @Sendable (Rows) throws(PostgresError) -> Value
    ) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                try read(try session.pipeline([RequestSQL.tenant(tenant), (statement, parameters)])[1])
            }
        }
    }

    /// - Returns: nil when the tenant has no such request.
    public func subject(_ request: ServiceRequestID, of tenant: TenantID) async throws(StorageError) -> LinkSubject? {
        try await ask(tenant, PersonSQL.subject, [.int64(request.rawValue)]) { (rows) throws(PostgresError) in
            guard let row = rows.first else { return nil }
            guard let status = try? DetailedStatus(validating: try row.text(3)) else {
                throw PostgresError(.decoding, detail: "a stored status breaks its rule")
            }
            return LinkSubject(
                number: row.optionalText(0), serviceName: try row.text(1), requestedAt: Timestamp(microseconds: try row.timestamp(2)),
                status: status, statusNotes: row.optionalText(4), language: Language(parsing: try row.text(5)),
                isHidden: try row.bool(6), erasedAt: row.optionalTimestamp(7).map { Timestamp(microseconds: $0) },
                crmOutcome: row.optionalText(8).flatMap { CRMErasureOutcome(rawValue: $0) },
                crmAnsweredAt: row.optionalTimestamp(9).map { Timestamp(microseconds: $0) }, hasReporter: try row.bool(10))
        }
    }

    /// The requests of whoever made this one, newest first: those with the same e-mail address in the same city.
    public func requests(ofAuthorOf request: ServiceRequestID, tenant: TenantID) async throws(StorageError) -> [ServiceRequestID] {
        try await ask(tenant, PersonSQL.requests, [.int64(request.rawValue), .int32(Self.maximumRequests)], Self.ids)
    }

    /// The requests that name this address, newest first.
    ///
    /// - Parameter reader: who asks, for the register.
    public func requests(naming address: String, tenant: TenantID, reader: String) async throws(StorageError) -> [ServiceRequestID] {
        try await ask(tenant, PersonSQL.find, [.text(address), .text(reader), .int32(Self.maximumRequests)], Self.ids)
    }

    private static let ids: @Sendable (Rows) throws(PostgresError) -> [ServiceRequestID] = { (rows) throws(PostgresError) in
        try rows.map { (row) throws(PostgresError) in ServiceRequestID(stored: try row.int64(0)) }
    }

    /// All that is held on these requests: one JSON object for each, newest first.
    ///
    /// - Parameter reader: who asks, for the register: `link`, or an operator.
    public func export(_ requests: [ServiceRequestID], tenant: TenantID, reader: String) async throws(StorageError) -> [String] {
        try await ask(tenant, PersonSQL.export, [.int64s(requests.map(\.rawValue)), .text(reader)]) { (rows) throws(PostgresError) in
            try rows.map { (row) throws(PostgresError) in try row.text(0) }
        }
    }

    /// Whoever made this request is not written to any more by this tenant.
    ///
    /// - Parameter address: the keyed hash of whom the link was sent to: for a request whose person is forgotten, since this person's
    ///   other requests go on. Nil where the link does not say.
    /// - Returns: false when nobody is known who could be.
    public func refuseNotices(
        ofAuthorOf request: ServiceRequestID, tenant: TenantID, secret: LinkSecret, orOf address: [UInt8]?
    ) async throws(StorageError) -> Bool {
        let email = try await ask(tenant, PersonSQL.email, [.int64(request.rawValue)]) { $0.first?.optionalText(0) }
        // What is known here first: the link may have been made with a secret of before.
        guard let hash = email.map({ secret.hash(address: $0) }) ?? address else { return false }
        return try await ask(tenant, PersonSQL.refuse, [.bytes(hash)]) { (rows) throws(PostgresError) in try rows.first?.bool(0) ?? false }
    }
}
