import Foundation
import Open311
import Postgres

/// An update that was refused, on its way into the list that its sender can read back.
struct RefusedUpdate {
    let id: String
    /// That it names, where there is one; whose it is, is looked up when it is kept.
    let request: ServiceRequestID?
    let fault: StatusUpdateFault
    /// Of the answer over AMQP.
    let receipt: EventID?

    init(_ id: String, of request: ServiceRequestID?, because fault: StatusUpdateFault, receipt: EventID? = nil) {
        self.id = id
        self.request = request
        self.fault = fault
        self.receipt = receipt
    }

    /// Of ``RefusedUpdateSQL/keep``.
    static func parameters(_ refused: [RefusedUpdate], through door: StatusDoor) -> [Parameter] {
        [
            .text(door.rawValue), .int64s(refused.map { $0.request?.rawValue ?? 0 }), .texts(refused.map(\.id)),
            .texts(refused.map(\.fault.code)), .texts(refused.map(\.fault.title)), .texts(refused.map(\.fault.detail)),
            .jsons(refused.map { $0.fault.members.isEmpty ? nil : members($0.fault.members) }),
            .uuids(refused.map { $0.receipt.map { ($0.high, $0.low) } ?? (0, 0) }),
        ]
    }

    private static func members(_ members: [StatusUpdateFault.Member]) -> [UInt8] {
        var writer = JSONWriter(capacity: 256)
        writer.faults(members)
        return writer.bytes
    }
}

/// An update that was refused, as its sender reads it back.
public struct KeptRefusal: Sendable, Equatable {
    public let id: String
    /// Nil when it named no request of the tenant.
    public let request: ServiceRequestID?
    public let refusedAt: Timestamp
    /// `rest` or `amqp`.
    public let door: String
    public let fault: StatusUpdateFault
    public let receipt: EventID?
    /// How often it was refused.
    public let times: Int32
    /// Greater for what was refused later.
    public let number: Int64
    /// Whether an update of this id was accepted afterwards.
    public let isAcceptedSince: Bool

    private struct Member: Decodable {
        let pointer: String
        let detail: String
    }

    init(_ row: Row) throws(PostgresError) {
        let number = try row.int64(0)
        id = try row.text(1)
        request = number == 0 ? nil : ServiceRequestID(stored: number)
        refusedAt = Timestamp(microseconds: try row.timestamp(2))
        door = try row.text(3)
        var members: [StatusUpdateFault.Member] = []
        if !row.isNull(7) {
            guard let stored = try? JSONDecoder().decode([Member].self, from: Data(try row.json(7))) else {
                throw PostgresError(.decoding, detail: "a kept refusal has no list of members")
            }
            members = stored.map { StatusUpdateFault.Member(pointer: $0.pointer, text: $0.detail) }
        }
        fault = StatusUpdateFault(try row.text(4), try row.text(5), row.optionalText(6) ?? "", members: members)
        let uuid = row.isNull(8) ? nil : try row.uuid(8)
        receipt = uuid.map { EventID(high: $0.high, low: $0.low) }
        times = try row.int32(9)
        self.number = try row.int64(10)
        isAcceptedSince = try row.bool(11)
    }
}

extension StatusUpdateStore {
    /// What was refused, the newest first; a thousand at most.
    ///
    /// - Parameters:
    ///   - request: of this one only; nil for all of the tenant's.
    ///   - update: of this id only.
    ///   - below: the number of the last one of the page before.
    ///   - limit: 1 to 1,000.
    public func refused(
        for request: ServiceRequestID?, update: String? = nil, below: Int64? = nil, limit: Int32 = 1_000, tenant: TenantID
    ) async throws(StorageError) -> [KeptRefusal] {
        try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                let answers = try session.pipeline([
                    RequestSQL.tenant(tenant, plansForParameters: true),
                    (
                        RefusedUpdateSQL.read,
                        [.int32(tenant.rawValue), .int64(request?.rawValue), .text(update), .int64(below ?? .max), .int32(limit)]
                    ),
                ])
                return try answers[1].map { (row) throws(PostgresError) in try KeptRefusal(row) }
            }
        }
    }

    /// Keeps what was refused before it could be judged: its body was at fault.
    ///
    /// - Parameter refusals: id and fault of each, and the request as it was named.
    public func keep(
        _ refusals: [(update: String, request: RequestAddress?, fault: StatusUpdateFault)], tenant: TenantID
    ) async throws(StorageError) {
        guard !refusals.isEmpty else { return }
        try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                let requests = try RequestName.requests(at: refusals.map(\.request), of: tenant, session)
                let kept = zip(refusals, requests).map { RefusedUpdate($0.update, of: $1, because: $0.fault) }
                _ = try session.pipeline([
                    RequestSQL.tenant(tenant), (RefusedUpdateSQL.keep, RefusedUpdate.parameters(kept, through: .rest)),
                ])
            }
        }
    }

    /// Counts what was refused over REST, for whoever watches how often that happens.
    public func countRefused(_ refused: Int, tenant: TenantID) async throws(StorageError) {
        guard refused > 0 else { return }
        try await storing { () async throws(PostgresError) in
            try await pool.run { (session) throws(PostgresError) in
                _ = try session.pipeline([
                    RequestSQL.tenant(tenant), (RefusedUpdateSQL.count, [.int32(Int32(clamping: refused))]),
                ])
            }
        }
    }
}
