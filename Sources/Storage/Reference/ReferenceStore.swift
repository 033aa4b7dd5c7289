import Open311
import Postgres

/// Tenants' reference documents, version by version. Each change is one transaction: what is live is the old document or the new one,
/// never something between.
public final class ReferenceStore: Sendable {
    private let shares: TenantShares

    /// - Parameters:
    ///   - configuration: of the status, administration or watch role.
    ///   - connections: where tenants' own calls come together, so that none of them, with a document of megabytes, takes more than half.
    public init(configuration: PostgresConfiguration, connections: Int = 1) throws {
        // Thousands of services take longer than a look-up.
        var patient = configuration
        patient.statementTimeout = max(configuration.statementTimeout, .seconds(30))
        shares = try TenantShares(configuration: patient, connections: connections)
    }

    public func close() async { await shares.close() }

    /// For all tenants.
    func run<Value: Sendable>(_ body: @Sendable (Session) throws(PostgresError) -> Value) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await shares.run(body) }
    }

    func run<Value: Sendable>(
        for tenant: TenantID, _ body: @Sendable (Session) throws(PostgresError) -> Value
    ) async throws(StorageError) -> Value {
        try await storing { () async throws(PostgresError) in try await shares.run(for: tenant, body) }
    }

    // MARK: Reading

    /// - Returns: nil while no version of this kind is published.
    public func live(_ kind: ReferenceKind, of tenant: TenantID) async throws(StorageError) -> ReferenceDocument? {
        try await document((ReferenceSQL.live, [.int32(tenant.production.rawValue), .text(kind.rawValue)]), of: tenant)
    }

    public func document(_ kind: ReferenceKind, _ number: Int32, of tenant: TenantID) async throws(StorageError) -> ReferenceDocument? {
        try await document(
            (ReferenceSQL.find, [.int32(tenant.production.rawValue), .text(kind.rawValue), .int32(number)]), of: tenant)
    }

    /// Newest first.
    ///
    /// - Parameters:
    ///   - below: numbers from this one on are left out.
    ///   - limit: 1 to 1,000.
    public func versions(
        _ kind: ReferenceKind, of tenant: TenantID, below: Int32 = .max, limit: Int32 = 100
    ) async throws(StorageError) -> [ReferenceVersion] {
        let own = tenant.production
        return try await run(for: own) { (session) throws(PostgresError) in
            try session.pipeline([
                RequestSQL.tenant(own),
                (ReferenceSQL.list, [.int32(own.rawValue), .text(kind.rawValue), .int32(below), .int32(limit)]),
            ])[1].map { (row) throws(PostgresError) in try ReferenceVersion(row) }
        }
    }

    /// What is live and what is scheduled, the live one first, then by moment: 101 at most.
    public func notable(_ kind: ReferenceKind, of tenant: TenantID) async throws(StorageError) -> [ReferenceVersion] {
        let own = tenant.production
        return try await run(for: own) { (session) throws(PostgresError) in
            try session.pipeline([
                RequestSQL.tenant(own), (ReferenceSQL.notable, [.int32(own.rawValue), .text(kind.rawValue)]),
            ])[1].map { (row) throws(PostgresError) in try ReferenceVersion(row) }
        }
    }

    /// - Parameter tenant: the request's own; its test endpoint for a request made there.
    /// - Returns: nil when the tenant has no such request.
    public func service(of request: ServiceRequestID, tenant: TenantID) async throws(StorageError) -> RequestedService? {
        try await run(for: tenant) { (session) throws(PostgresError) in
            let own: [Parameter] = [.int64(request.rawValue), .int32(tenant.rawValue), .int32(tenant.production.rawValue)]
            // Each is visible to its own number only: the request to the endpoint's, the catalogue to the tenant's.
            guard let row = try session.pipeline([RequestSQL.tenant(tenant), (ReferenceSQL.requestService, own)])[1].first else {
                return nil
            }
            return RequestedService(
                code: try row.text(0), catalogueVersion: row.isNull(1) ? nil : try row.int32(1),
                definition: row.isNull(2) ? nil : try row.json(2))
        }
    }

    private func document(
        _ step: (statement: Statement, parameters: [Parameter]), of tenant: TenantID
    ) async throws(StorageError) -> ReferenceDocument? {
        try await run(for: tenant) { (session) throws(PostgresError) in
            guard let row = try session.pipeline([RequestSQL.tenant(tenant.production), step])[1].first else { return nil }
            return ReferenceDocument(version: try ReferenceVersion(row), body: try row.json(12))
        }
    }

    // MARK: Changing

    /// Keeps a new version and publishes it when said.
    ///
    /// - Parameters:
    ///   - new: passed its kind's check; nothing is looked at here.
    ///   - expected: the number that must be live, 0 for none; nil for any.
    public func put(
        _ new: NewReference, at moment: ReferenceMoment = .now, expecting expected: Int32? = nil, of tenant: TenantID
    ) async throws(ReferenceRefusal) -> ReferenceChange {
        try await change(Self.step(new, moment, expected), of: tenant)
    }

    /// Publishes a draft or a scheduled version, or says anew when; ``ReferenceMoment/never`` makes a scheduled one a draft.
    public func publish(
        _ kind: ReferenceKind, _ number: Int32, at moment: ReferenceMoment = .now, expecting expected: Int32? = nil, of tenant: TenantID
    ) async throws(ReferenceRefusal) -> ReferenceChange {
        try await change(
            (
                ReferenceSQL.publish,
                [.text(kind.rawValue), .int32(number), moment.parameter, expected.map { .int32($0) } ?? .null]
            ), of: tenant)
    }

    /// Makes what a version said that was live before live again, under a new number.
    public func rollBack(
        _ kind: ReferenceKind, to number: Int32, by author: String, note: String? = nil, expecting expected: Int32? = nil,
        of tenant: TenantID
    ) async throws(ReferenceRefusal) -> ReferenceChange {
        try await change(
            (
                ReferenceSQL.rollBack,
                [
                    .text(kind.rawValue), .int32(number), .text(author), .text(note ?? "rolled back to \(number)"),
                    expected.map { .int32($0) } ?? .null,
                ]
            ), of: tenant)
    }

    typealias Step = (statement: Statement, parameters: [Parameter])

    /// Inside of a pipeline or transaction that names the tenant (``RequestSQL/tenant(_:plansForParameters:)``).
    static func step(_ new: NewReference, _ moment: ReferenceMoment = .now, _ expected: Int32? = nil) -> Step {
        (
            ReferenceSQL.put,
            [
                .text(new.kind.rawValue), .text(new.author), .text(new.note), .bytes(new.hash), .json(new.body),
                .int32(Int32(clamping: new.body.count)), moment.parameter, expected.map { .int32($0) } ?? .null,
            ]
        )
    }

    private func change(_ step: Step, of tenant: TenantID) async throws(ReferenceRefusal) -> ReferenceChange {
        let answer: (word: String, number: Int32?)
        do {
            answer = try await shares.run(for: tenant) { (session) throws(PostgresError) in
                guard let row = try session.pipeline([RequestSQL.tenant(tenant.production), step])[1].first else {
                    throw PostgresError(.decoding, detail: "no outcome came back")
                }
                return (try row.text(0), row.isNull(1) ? nil : try row.int32(1))
            }
        } catch {
            // Raised by bus311_project_places.
            throw error.sqlState == "BU001" ? .idsTaken : .storage(StorageError(error))
        }
        switch (answer.word, answer.number) {
        case ("stale", let live): throw .stale(live: live)
        case ("unknown", _): throw .unknownVersion
        case ("superseded", _): throw .superseded
        case ("full", _): throw .tooMany
        case (let word, let number?):
            guard let outcome = ReferenceChange.Outcome(rawValue: word) else { fallthrough }
            return ReferenceChange(outcome: outcome, number: number)
        default: throw .storage(StorageError(.internalFault, detail: "outcome \(answer.word)"))
        }
    }
}

/// A version that its moment made live.
public struct DuePublication: Sendable, Equatable {
    public let tenant: TenantID
    /// Nil for a kind that this version of the program does not know.
    public let kind: ReferenceKind?
    public let number: Int32
}

/// Publication when its moment comes, for all tenants: the watch role's.
extension ReferenceStore {
    /// Publishes what is due; several processes may do so at once, and each version is published once.
    public func publishDue(_ howMany: Int32 = 16) async throws(StorageError) -> [DuePublication] {
        try await run { (session) throws(PostgresError) in
            try session.execute(ReferenceSQL.publishDue, [.int32(howMany)]).map { (row) throws(PostgresError) in
                DuePublication(
                    tenant: TenantID(try row.int32(0)), kind: ReferenceKind(rawValue: try row.text(1)), number: try row.int32(2))
            }
        }
    }

    /// When the next scheduled version is due; nil when none is scheduled.
    public func nextDue() async throws(StorageError) -> Timestamp? {
        try await run { (session) throws(PostgresError) in
            try session.execute(ReferenceSQL.nextDue).first?.optionalTimestamp(0).map { Timestamp(microseconds: $0) }
        }
    }
}
