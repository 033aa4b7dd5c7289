import Open311
import Postgres

/// Where a tenant's reference data of one kind come from by themselves, and what came last.
public struct ReferencePull: Sendable, Equatable {
    /// What became of one fetch.
    public enum Outcome: String, Sendable {
        /// A new version is live.
        case published
        /// The same as what is live.
        case unchanged
        /// The server said so (304).
        case notModified = "not_modified"
        /// The CRM was asked.
        case asked
        /// What came is no document; it was left alone.
        case invalid
        /// Nothing came.
        case unreachable
        /// The address leads where it may not.
        case notAllowed = "not_allowed"
        case tooLarge = "too_large"

        public var isFailure: Bool {
            switch self {
            case .published, .unchanged, .notModified, .asked: false
            case .invalid, .unreachable, .notAllowed, .tooLarge: true
            }
        }
    }

    public let tenant: TenantID
    public let kind: ReferenceKind
    /// Nil: the CRM is asked.
    public let url: String?
    public let allowsCleartext: Bool
    public let everySeconds: Int32
    public let setBy: String
    public let nextAt: Timestamp
    /// Validators of what was fetched last, as the server sent them.
    public let etag: String?
    public let lastModified: String?
    /// One after the other.
    public let failures: Int32
    public let lastAt: Timestamp?
    public let lastOutcome: String?
    public let lastDetail: String?
    public let lastVersion: Int32?

    init(_ row: Row) throws(PostgresError) {
        guard let kind = ReferenceKind(rawValue: try row.text(1)) else {
            throw PostgresError(.decoding, detail: "a kind of reference data is unknown")
        }
        self.kind = kind
        tenant = TenantID(try row.int32(0))
        url = row.optionalText(2)
        allowsCleartext = try row.bool(3)
        everySeconds = try row.int32(4)
        setBy = try row.text(5)
        nextAt = Timestamp(microseconds: try row.timestamp(6))
        etag = row.optionalText(7)
        lastModified = row.optionalText(8)
        failures = try row.int32(9)
        lastAt = row.optionalTimestamp(10).map { Timestamp(microseconds: $0) }
        lastOutcome = row.optionalText(11)
        lastDetail = row.optionalText(12)
        lastVersion = row.isNull(13) ? nil : try row.int32(13)
    }
}

/// What one fetch brought.
public struct PullResult: Sendable, Equatable {
    public var outcome: ReferencePull.Outcome
    /// For people: up to 500 characters, nothing of the document but what is wrong with it.
    public var detail: String?
    public var version: Int32?
    public var etag: String?
    public var lastModified: String?

    public init(
        _ outcome: ReferencePull.Outcome, _ detail: String? = nil, version: Int32? = nil, etag: String? = nil, lastModified: String? = nil
    ) {
        self.outcome = outcome
        self.detail = detail.map { String($0.prefix(500)) }
        self.version = version
        self.etag = etag
        self.lastModified = lastModified
    }
}

/// The schedule of fetches: the administration role sets it, the watch works it off.
extension ReferenceStore {
    /// - Parameters:
    ///   - url: nil to ask the CRM.
    ///   - seconds: 60 to 31 days.
    public func setPull(
        _ kind: ReferenceKind, of tenant: TenantID, url: String?, allowsCleartext: Bool, everySeconds seconds: Int32, by who: String
    ) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(
                ReferencePullSQL.set,
                [.int32(tenant.rawValue), .text(kind.rawValue), .text(url), .bool(allowsCleartext), .int32(seconds), .text(who)])
        }
    }

    /// - Returns: whether there was one.
    public func removePull(_ kind: ReferenceKind, of tenant: TenantID) async throws(StorageError) -> Bool {
        try await run { (session) throws(PostgresError) in
            try session.execute(ReferencePullSQL.remove, [.int32(tenant.rawValue), .text(kind.rawValue)]).affected > 0
        }
    }

    public func pulls(of tenant: TenantID) async throws(StorageError) -> [ReferencePull] {
        try await run(for: tenant) { (session) throws(PostgresError) in
            try session.pipeline([RequestSQL.tenant(tenant), (ReferencePullSQL.list, [.int32(tenant.rawValue)])])[1].map {
                (row) throws(PostgresError) in try ReferencePull(row)
            }
        }
    }

    /// The next that is due, for this caller alone until `lease` seconds have passed; nil when none is.
    public func takePull(lease: Int32) async throws(StorageError) -> ReferencePull? {
        try await run { (session) throws(PostgresError) in
            try session.execute(ReferencePullSQL.take, [.int32(lease)]).first.map { (row) throws(PostgresError) in try ReferencePull(row) }
        }
    }

    /// This one, due or not; nil when there is none, or somebody is at it.
    public func takePull(_ kind: ReferenceKind, of tenant: TenantID, lease: Int32) async throws(StorageError) -> ReferencePull? {
        try await run { (session) throws(PostgresError) in
            try session.execute(ReferencePullSQL.hurry, [.int32(tenant.rawValue), .text(kind.rawValue), .int32(lease)]).first.map {
                (row) throws(PostgresError) in try ReferencePull(row)
            }
        }
    }

    /// Writes down what a fetch brought and when the next one is.
    ///
    /// - Parameter pause: seconds from now.
    public func settle(_ pull: ReferencePull, _ result: PullResult, nextIn pause: Int32) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in
            _ = try session.execute(
                ReferencePullSQL.settle,
                [
                    .int32(pull.tenant.rawValue), .text(pull.kind.rawValue), .text(pull.url), .int32(pause),
                    .int32(result.outcome.isFailure ? pull.failures + 1 : 0), .text(result.outcome.rawValue), .text(result.detail),
                    result.version.map { .int32($0) } ?? .null, .text(result.etag ?? pull.etag),
                    .text(result.lastModified ?? pull.lastModified),
                ])
        }
    }

    /// The tenant itself, without its jurisdictions, for whoever fetches for it.
    public func tenant(_ id: TenantID) async throws(StorageError) -> Tenant? {
        try await run { (session) throws(PostgresError) in
            guard let row = try session.execute(DirectorySQL.tenant, [.int32(id.rawValue)]).first else { return nil }
            return try TenantRow.tenant(row, jurisdictions: [:])
        }
    }

    /// Asks the tenant's CRM for what it has; the relay publishes it like any event.
    public func send(_ notice: OperatorNotice, to tenant: Tenant) async throws(StorageError) {
        try await run { (session) throws(PostgresError) in _ = try session.pipeline(NoticeSQL.steps(notice, to: tenant)) }
    }

    /// Forgets versions that nobody needs any more.
    ///
    /// - Returns: how many.
    public func forgetOld() async throws(StorageError) -> Int {
        try await run { (session) throws(PostgresError) in try Int(session.execute(ReferenceSQL.forget).first?.int32(0) ?? 0) }
    }
}
