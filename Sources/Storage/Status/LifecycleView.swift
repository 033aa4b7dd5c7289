import Open311
import Postgres

/// A request as its CRM reads it back: what citizens see, and what they do not.
public struct LifecycleView: Sendable, Equatable {
    public let id: ServiceRequestID
    /// That the CRM gave in place of ours.
    public let givenID: GivenID?
    public let token: String?
    /// Whether citizens can know its id.
    public let isResolved: Bool
    public let serviceCode: String
    /// Of the catalogue that it was made under; nil where there was none.
    public let catalogueVersion: Int32?
    public let status: DetailedStatus
    public let statusNotes: String?
    public let agencyResponsible: String?
    public let expectedAt: Timestamp?
    public let serviceNotice: String?
    public let mergedInto: ServiceRequestID?
    public let requestedAt: Timestamp
    public let updatedAt: Timestamp
    public let acknowledgedAt: Timestamp?
    public let version: String
    public let isHidden: Bool
    public let isErased: Bool
    /// The CRM's own.
    public let references: [String]
}

/// A lifecycle update as it was received, with its receipt.
public struct KeptUpdate: Sendable, Equatable {
    public let id: String
    public let occurredAt: Timestamp
    public let receivedAt: Timestamp
    /// False when an older update made it void.
    public let counts: Bool
    public let status: String?
    public let statusCode: String?
    public let statusNotes: String?
    public let internalNotes: String?
    public let agencyResponsible: String?
    public let expectedAt: Timestamp?
    public let serviceNotice: String?
    public let externalReference: String?
    public let mergedInto: ServiceRequestID?
    public let sequence: Int64?
    public let isAcknowledgement: Bool
    /// `rest` or `amqp`; nil for one of before receipts were kept, as are the next two.
    public let door: String?
    public let outcome: String?
    public let receipt: EventID?
}

extension StatusUpdateStore {
    /// Our number for a request of the tenant; nil when there is none.
    public func number(of address: RequestAddress, tenant: TenantID) async throws(StorageError) -> ServiceRequestID? {
        if case .number(let id) = address { return id }
        return try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in try Self.number(of: address, tenant, session) }
        }
    }

    /// - Returns: nil when the tenant has no such request.
    public func view(of address: RequestAddress, tenant: TenantID) async throws(StorageError) -> LifecycleView? {
        try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                guard let id = try Self.number(of: address, tenant, session) else { return nil }
                return try Self.view(number: id.rawValue, token: nil, tenant, session)
            }
        }
    }

    /// - Returns: nil when no request of the tenant has this token.
    public func view(ofToken token: String, tenant: TenantID) async throws(StorageError) -> LifecycleView? {
        try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in try Self.view(number: nil, token: token, tenant, session) }
        }
    }

    /// What was received for a request, in the order of its history.
    ///
    /// - Parameters:
    ///   - update: this one only.
    ///   - after: only what comes behind this one; nothing when there is none of its id.
    ///   - limit: updates, at most.
    public func received(
        for request: ServiceRequestID, update: String? = nil, after: String? = nil, limit: Int32 = 1_000, tenant: TenantID
    ) async throws(StorageError) -> [KeptUpdate] {
        try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                let answers = try session.pipeline([
                    RequestSQL.tenant(tenant),
                    (
                        LifecycleViewSQL.updates,
                        [.int32(tenant.rawValue), .int64(request.rawValue), .text(update), .text(after), .int32(limit)]
                    ),
                ])
                return try answers[1].map(Self.kept)
            }
        }
    }

    private static func number(
        of address: RequestAddress, _ tenant: TenantID, _ session: Session
    ) throws(PostgresError) -> ServiceRequestID? {
        try RequestName.requests(at: [address], of: tenant, session)[0]
    }

    private static func view(
        number: Int64?, token: String?, _ tenant: TenantID, _ session: Session
    ) throws(PostgresError) -> LifecycleView? {
        let found = try session.pipeline([
            RequestSQL.tenant(tenant, plansForParameters: true),
            (LifecycleViewSQL.request, [.int32(tenant.rawValue), .int64(number), .text(token)]),
        ])
        guard let row = found[1].first else { return nil }
        let id = ServiceRequestID(stored: try row.int64(0))
        let names = try session.pipeline([
            RequestSQL.tenant(tenant), (LifecycleViewSQL.references, [.int32(tenant.rawValue), .int64(id.rawValue)]),
        ])
        guard let status = try? DetailedStatus(validating: try row.text(5)) else {
            throw PostgresError(.decoding, detail: "a stored status breaks its rule")
        }
        return LifecycleView(
            id: id, givenID: row.optionalText(1).map { GivenID(stored: $0) }, token: row.optionalText(2), isResolved: try row.bool(3),
            serviceCode: try row.text(4), catalogueVersion: row.isNull(18) ? nil : try row.int32(18), status: status,
            statusNotes: row.optionalText(6), agencyResponsible: row.optionalText(7),
            expectedAt: moment(row, 8), serviceNotice: row.optionalText(9),
            mergedInto: row.optionalInt64(10).map { ServiceRequestID(stored: $0) },
            requestedAt: Timestamp(microseconds: try row.timestamp(11)), updatedAt: Timestamp(microseconds: try row.timestamp(12)),
            acknowledgedAt: moment(row, 13), version: "\(try row.int32(14))-\(try row.int32(15))", isHidden: try row.bool(16),
            isErased: try row.bool(17), references: try names[1].map { (row) throws(PostgresError) in try row.text(0) })
    }

    private static func kept(_ row: Row) throws(PostgresError) -> KeptUpdate {
        let receipt = row.isNull(17) ? nil : try row.uuid(17)
        return KeptUpdate(
            id: try row.text(0), occurredAt: Timestamp(microseconds: try row.timestamp(1)),
            receivedAt: Timestamp(microseconds: try row.timestamp(2)), counts: try row.bool(3), status: row.optionalText(4),
            statusCode: row.optionalText(5), statusNotes: row.optionalText(6), internalNotes: row.optionalText(7),
            agencyResponsible: row.optionalText(8), expectedAt: moment(row, 9), serviceNotice: row.optionalText(10),
            externalReference: row.optionalText(11), mergedInto: row.optionalInt64(12).map { ServiceRequestID(stored: $0) },
            sequence: row.optionalInt64(13), isAcknowledgement: try row.bool(14), door: row.optionalText(15), outcome: row.optionalText(16),
            receipt: receipt.map { EventID(high: $0.high, low: $0.low) })
    }

    private static func moment(_ row: Row, _ column: Int) -> Timestamp? {
        row.optionalTimestamp(column).map { Timestamp(microseconds: $0) }
    }
}
